"""Blocks as the host sends them, and as a host that broke its promises would."""

from __future__ import annotations

import pytest

from grille_sdk import Block, Failure, Field


def fields(*names: str) -> list[Field]:
    return [Field(name=name) for name in names]


@pytest.mark.parametrize(
    ("rows", "columns", "offsets", "data", "expected"),
    [
        (1, [0], [], b"", "rows and fields"),
        (1, [0], [0], b"", "rows and fields"),
        (2, [0], [0, 1], b"a", "rows and fields"),
        (1, [0], [0, 2], b"a", "its data"),
        (1, [0], [1, 1], b"a", "its data"),
        (1, [0], [0, 0], b"a", "its data"),
        (2, [0], [0, 2, 1], b"ab", "its data"),
        (2, [0], [0, 1, 2], "é".encode(), "inside a character"),
        (1, [0], [0, 1], b"\xff", "UTF-8"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    rows: int, columns: list[int], offsets: list[int], data: bytes, expected: str
) -> None:
    with pytest.raises(Failure, match=expected):
        Block(rows, columns, offsets, data)


def test_cells_come_column_by_column() -> None:
    block = Block(2, [2, 0], [0, 1, 3, 3, 4], "xéz".encode())
    cells = [(cell.field.name, cell.text, cell.row) for cell in block.cells(fields("a", "b", "c"))]
    assert cells == [("c", "x", 0), ("c", "é", 1), ("a", "", 0), ("a", "z", 1)]


def test_a_field_that_was_not_announced_is_refused() -> None:
    with pytest.raises(Failure, match="not announced"):
        list(Block(1, [1], [0, 1], b"x").cells(fields("a")))


def test_an_empty_block_has_no_cells() -> None:
    block = Block(0, [0, 1], [0], b"")
    assert len(block) == 0
    assert list(block.cells(fields("a", "b"))) == []
