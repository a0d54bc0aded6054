"""Cells in one flat buffer, as the host sends them, and one at a time, as a plugin sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ._exchange import Field
from ._failure import Failure


class Cell(NamedTuple):
    """One value of a result, as text."""

    text: str
    """The value. Never NULL; empty if it is an empty text or if the host's gate cleared it."""
    field: Field
    """The column it belongs to."""
    row: int
    """Its row within the block. Blocks are cut anywhere, so the number means nothing across calls."""


class Block:
    """Cells, column by column: cell `f * rows + r` is row `r` of the block's field `f`.

    Checked once: `offsets` has `rows * fields + 1` entries, ascends from 0 to the length of `data`, and cuts it between
    characters.
    """

    __slots__ = ("_fields", "_rows", "_texts")

    def __init__(self, rows: int, fields: Sequence[int], offsets: Sequence[int], data: bytes) -> None:
        """From the parts of WIT's `block`; a `Failure` if the host broke its promise about one of them."""
        if rows * len(fields) + 1 != len(offsets):
            raise Failure("the block's offsets do not fit its rows and fields")
        if offsets[0] != 0 or offsets[-1] != len(data) or sorted(offsets) != list(offsets):
            raise Failure("the block's offsets do not fit its data")
        self._rows = rows
        self._fields = fields
        self._texts = _texts(offsets, data)

    def __len__(self) -> int:
        return len(self._texts)

    def cells(self, fields: Sequence[Field]) -> Iterator[Cell]:
        """Every cell, in order; `fields` are those given to `begin`."""
        if any(field >= len(fields) for field in self._fields):
            raise Failure("the block has a field that was not announced")
        texts = iter(self._texts)
        for index in self._fields:
            field = fields[index]
            for row in range(self._rows):
                yield Cell(next(texts), field, row)


def _texts(offsets: Sequence[int], data: bytes) -> list[str]:
    # Decoding once and cutting the text is many times faster, but only in ASCII are offsets of bytes those of characters.
    if data.isascii():
        text = data.decode("ascii")
        return [text[start:end] for start, end in pairwise(offsets)]
    try:
        return [data[start:end].decode() for start, end in pairwise(offsets)]
    except UnicodeDecodeError:
        # Not its message: it shows the bytes.
        raise Failure("the block's data is not UTF-8, or cut inside a character") from None
