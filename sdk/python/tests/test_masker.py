"""Maskers: one value for each cell, also with the host's key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from grille_sdk import Block, Cell, Edits, Exchange, Failure, Field, Masker, MaskerSession, NoSettings, keyed, masker
from grille_sdk.testing import FakeHost, configure, mask, mask_all


@dataclass(frozen=True)
class Settings:
    filler: str = "X"


@masker
def upper(settings: NoSettings, cell: Cell) -> str:
    return cell.text.upper()


class Keyed(Masker[Settings]):
    """Tokens by the column's origin."""

    def mask(self, cell: Cell) -> str:
        return self.mask_all([cell])[0]

    def mask_all(self, cells: Sequence[Cell]) -> Sequence[str]:
        return keyed.token(cells[0].field.origin, [cell.text for cell in cells])


class Short(Masker[Settings]):
    def mask(self, cell: Cell) -> str:
        return ""

    def mask_all(self, cells: Sequence[Cell]) -> Sequence[str]:
        return []


def test_every_cell_has_one_value() -> None:
    session = MaskerSession(upper(NoSettings()))
    session.begin(Exchange(), [Field()])
    edits = session.mask(Block(3, [0], [0, 1, 1, 4], "aßb".encode()))
    assert edits == Edits([0, 1, 2], [0, 1, 1, 4], b"ASSB")
    assert mask(configure(upper), "straße") == "STRASSE"


def test_a_masker_that_leaves_a_cell_out_is_refused() -> None:
    with pytest.raises(Failure, match="0 new values for 1 cells"):
        mask(configure(Short), "a")


def test_equal_values_have_equal_tokens_within_a_column() -> None:
    masker = configure(Keyed)
    with FakeHost("keyed"):
        tokens = mask_all(masker, ["é", "b", "é"], field=Field(origin="public.t.c"))
        assert tokens[0] == tokens[2] != tokens[1]
        assert mask(masker, "é", field=Field(origin="public.t.d")) != tokens[0]
        assert len(keyed.hmac_sha256("d", ["v"])[0]) == 64
    with pytest.raises(Failure, match="uses `keyed`"):
        mask(masker, "a")
