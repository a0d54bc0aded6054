"""What makes new values for sensitive ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic

from ._block import Block, Cell
from ._exchange import Exchange, Field
from ._failure import Failure
from ._function import adopt, settings_type_of
from ._plugin import Plugin, S


class Masker(Plugin[S], ABC, Generic[S]):
    """Makes a new value for each cell it is given. `class Initials(Masker[Settings])` names the type of its settings."""

    def begin(self, exchange: Exchange, fields: Sequence[Field]) -> None:
        """Called before the first cell of an exchange.

        Raise `Failure` if the masker cannot work on this result: the host then replaces every value itself.
        """

    @abstractmethod
    def mask(self, cell: Cell) -> str:
        """The new value. A masker that has no good one raises: the host then replaces the whole cell."""

    def mask_all(self, cells: Sequence[Cell]) -> Sequence[str]:
        """One new value for each cell, in order. Override it where one call for many is cheaper, as `keyed.token` is."""
        return [self.mask(cell) for cell in cells]


def masker(function: Callable[[S, Cell], str]) -> type[Masker[S]]:
    """Makes a masker of a function; the type of its settings is the annotation of its first parameter.

    The result is a class, as if it had been written as one: give it to the test harness.
    """

    class FunctionMasker(Masker[settings_type_of(function)]):  # type: ignore[misc]
        def mask(self, cell: Cell) -> str:
            return function(self.settings, cell)

    return adopt(FunctionMasker, function)


@dataclass(frozen=True, slots=True)
class Edits:
    """New values in WIT's flat form: value `i` is for cell `cells[i]` and is `data[offsets[i]:offsets[i + 1]]`."""

    cells: list[int]
    """Ascending, without repeats."""
    offsets: list[int]
    """One more than cells."""
    data: bytes
    """All values."""


class MaskerSession:
    """A configured masker at work on one exchange: what stands between the component's exports and a `Masker`."""

    def __init__(self, masker: Masker[Any]) -> None:
        self._masker = masker
        self._fields: Sequence[Field] = ()

    def begin(self, exchange: Exchange, fields: Sequence[Field]) -> None:
        """The exchange begins."""
        self._masker.begin(exchange, fields)
        self._fields = fields

    def mask(self, block: Block) -> Edits:
        """One value for each cell of the block."""
        values = self._masker.mask_all(list(block.cells(self._fields)))
        if len(values) != len(block):
            raise Failure(f"{len(values)} new values for {len(block)} cells")
        encoded = [value.encode() for value in values]
        offsets = list(accumulate(map(len, encoded), initial=0))
        return Edits(list(range(len(values))), offsets, b"".join(encoded))
