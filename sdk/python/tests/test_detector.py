"""Detectors: from string indexes to bytes, and what a session sees to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from grille_sdk import (
    SCORE_MAX,
    Block,
    Cell,
    Detector,
    DetectorSession,
    Exchange,
    Failure,
    Field,
    Finding,
    Findings,
    Label,
    Support,
    detector,
)


@dataclass(frozen=True)
class Settings:
    letter: str = "é"


class Letter(Detector[Settings]):
    """Finds a letter everywhere but in columns named `clear`."""

    def begin(self, exchange: Exchange, fields: Sequence[Field]) -> None:
        if exchange.role == "nobody":
            raise Failure("not for nobody")

    def inspect(self, cell: Cell, found: Findings) -> None:
        assert cell.text, "empty cells are left out"
        if cell.field.name != "clear":
            for match in re.finditer(self.settings.letter, cell.text):
                found.add(Label(3), match.span(), 2000, Support.CHECKED | Support.CONTEXT)


def places(text: str, *spans: tuple[int, int]) -> list[tuple[int, int]]:
    findings = Findings()
    findings.enter(0, text)
    for span in spans:
        findings.add(Label(0), span, 1)
    return [(one.start, one.end) for one in findings.found]


def test_a_detector_can_refuse_an_exchange() -> None:
    with pytest.raises(Failure, match="not for nobody"):
        DetectorSession(Letter(Settings())).begin(Exchange(role="nobody"), ())


def test_a_block_before_begin_is_refused() -> None:
    with pytest.raises(Failure, match="not announced"):
        DetectorSession(Letter(Settings())).inspect(Block(1, [0], [0, 2], "é".encode()))


def test_findings_carry_the_cell_and_bounded_scores() -> None:
    session = DetectorSession(Letter(Settings()))
    session.begin(Exchange(), [Field(name="clear"), Field(name="dark")])
    found = session.inspect(Block(2, [0, 1], [0, 2, 2, 2, 8], "éaébé".encode()))
    support = Support.CHECKED | Support.CONTEXT
    assert found == [Finding(3, 1, 3, 3, SCORE_MAX, support), Finding(3, 4, 6, 3, SCORE_MAX, support)]
    assert int(support) == 5


def test_offsets_are_those_of_utf_8() -> None:
    text = "aé€😀z"
    assert places(text, (0, 1), (1, 2), (2, 3), (3, 4), (4, 5)) == [(0, 1), (1, 3), (3, 6), (6, 10), (10, 11)]
    assert places(text, (3, 5), (0, 2), (2, 4)) == [(6, 11), (0, 3), (3, 10)], "in any order"
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            expected = (len(text[:start].encode()), len(text[:end].encode()))
            assert places(text, (1, 2), (start, end))[1] == expected


@pytest.mark.parametrize("span", [(0, 0), (2, 1), (-1, 1), (0, 4), (3, 4)])
def test_a_span_that_is_no_part_of_the_text_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a part of"):
        places("aéb", span)


def test_numbers_must_be_whole() -> None:
    findings = Findings()
    findings.enter(0, "a")
    with pytest.raises(TypeError):
        findings.add(0, (0, 1), 0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        findings.add(0, (0, 1), -1)


@detector
def first_letter(settings: Settings, cell: Cell, found: Findings) -> None:
    """Finds the letter where a text begins with it."""
    if cell.text.startswith(settings.letter):
        found.add(Label(0), (0, len(settings.letter)), 500)


def test_a_function_is_a_detector() -> None:
    assert issubclass(first_letter, Detector)
    assert (first_letter.__name__, first_letter.__module__) == ("first_letter", __name__)
    assert str(first_letter.__doc__).startswith("Finds")
    session = DetectorSession(first_letter(Settings("ß")))
    session.begin(Exchange(), [Field()])
    assert session.inspect(Block(1, [0], [0, 3], "ßa".encode())) == [Finding(0, 0, 2, 0, 500, Support.NONE)]


def test_a_function_says_the_type_of_its_settings() -> None:
    def bare(settings, cell, found):  # type: ignore[no-untyped-def]
        pass

    with pytest.raises(TypeError, match="annotate `settings`"):
        detector(bare)
