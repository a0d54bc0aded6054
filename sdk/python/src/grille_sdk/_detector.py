"""What finds sensitive data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from operator import index
from typing import Any, Generic

from ._block import Block, Cell
from ._exchange import Exchange, Field
from ._function import adopt, settings_type_of
from ._plugin import Plugin, S

SCORE_MAX = 1000
"""The highest score a finding can have."""


class Label(int):
    """A kind of sensitive data: index into the `[[labels]]` of `plugin.toml`. An `IntEnum` of your own does as well."""


class Support(IntFlag):
    """What speaks for a finding besides its shape."""

    NONE = 0
    CHECKED = 1
    """A check digit or checksum held."""
    SEPARATED = 2
    """The usual separators were there (`123-45-6789`)."""
    CONTEXT = 4
    """A context word stands beside it in the same text."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where sensitive data was found."""

    cell: int
    """Index of the cell within the block."""
    start: int
    """Byte offset into the cell's UTF-8, between characters."""
    end: int
    """Where it ends; `start < end`."""
    label: int
    """What was found."""
    score: int
    """0 to `SCORE_MAX`."""
    support: Support
    """What speaks for it."""


class Findings:
    """Collects the findings of a block, and turns string indexes into the byte offsets of the interface."""

    __slots__ = ("_ascii", "_cell", "_index", "_offset", "_text", "found")

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.enter(0, "")

    def enter(self, cell: int, text: str) -> None:
        """From now on the findings are of that cell. For the session, not for plugins."""
        self._cell, self._text, self._ascii = cell, text, text.isascii()
        self._index = self._offset = 0

    def add(self, label: int, span: tuple[int, int], score: int, support: Support = Support.NONE) -> None:
        """Adds a finding in the cell under inspection.

        `span` is in string indexes of `cell.text`, as `re.Match.span()` gives them, and not empty: `ValueError` otherwise,
        for the host would fail closed. Scores over `SCORE_MAX` count as that.
        """
        start, end = map(index, span)
        if not 0 <= start < end <= len(self._text):
            raise ValueError(f"{start}..{end} is not a part of a text of {len(self._text)} characters")
        if index(score) < 0 or index(label) < 0:
            raise ValueError("label and score cannot be negative")
        start, end = self._byte_offset(start), self._byte_offset(end)
        self.found.append(Finding(self._cell, start, end, int(label), min(int(score), SCORE_MAX), Support(support)))

    def _byte_offset(self, place: int) -> int:
        """Counts on from the last place, since findings mostly come in order: many in a long text stay cheap."""
        if self._ascii:
            return place
        if place < self._index:
            self._index = self._offset = 0
        self._offset += len(self._text[self._index : place].encode())
        self._index = place
        return self._offset


class Detector(Plugin[S], ABC, Generic[S]):
    """Finds sensitive data in cells. It says where; it never returns what it saw.

    `class EmployeeId(Detector[Settings])` names the type of its settings, a dataclass.
    """

    def begin(self, exchange: Exchange, fields: Sequence[Field]) -> None:
        """Called before the first cell of an exchange.

        Raise `Failure` if the detector cannot work on this result: the host then treats all of it as sensitive.
        """

    @abstractmethod
    def inspect(self, cell: Cell, found: Findings) -> None:
        """Adds what the cell holds to `found`. Overlapping findings are resolved by the host (higher score, then longer).

        A detector that cannot judge a cell raises: the host then treats it as sensitive.
        """


def detector(function: Callable[[S, Cell, Findings], None]) -> type[Detector[S]]:
    """Makes a detector of a function; the type of its settings is the annotation of its first parameter.

    The result is a class, as if it had been written as one: give it to the test harness.
    """

    class FunctionDetector(Detector[settings_type_of(function)]):  # type: ignore[misc]
        def inspect(self, cell: Cell, found: Findings) -> None:
            function(self.settings, cell, found)

    return adopt(FunctionDetector, function)


class DetectorSession:
    """A configured detector at work on one exchange: what stands between the component's exports and a `Detector`."""

    def __init__(self, detector: Detector[Any]) -> None:
        self._detector = detector
        self._fields: Sequence[Field] = ()

    def begin(self, exchange: Exchange, fields: Sequence[Field]) -> None:
        """The exchange begins."""
        self._detector.begin(exchange, fields)
        self._fields = fields

    def inspect(self, block: Block) -> list[Finding]:
        """All findings of a block; empty cells are not looked at."""
        findings = Findings()
        for number, cell in enumerate(block.cells(self._fields)):
            if cell.text:
                findings.enter(number, cell.text)
                self._detector.inspect(cell, findings)
        return findings.found
