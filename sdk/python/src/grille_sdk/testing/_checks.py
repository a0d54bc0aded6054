"""What the host accepts of a plugin. It judges results as hostile input; here the same rules fail a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .._detector import SCORE_MAX, Finding, Support
from .._policy import Allow, Approval, Decision, Deny, Hold, Rewrite

# The host's limits, which are not the operator's to change.
_ENTRIES_MAX = 64
_REWRITE_BYTES_MAX = 1 << 20
_TEXT_BYTES_MAX = 500
_TTL_S_MAX = 2**32 - 1


def finding(one: Finding, text: str) -> None:
    """The rules of WIT's `finding`. The label's upper bound is in `plugin.toml`: see `Manifest.check_detector`."""
    data = text.encode()
    place = f"{one.start}..{one.end} of {text!r}"
    assert 0 <= one.start < one.end <= len(data), f"{place}: outside, or empty"
    assert _is_boundary(data, one.start) and _is_boundary(data, one.end), f"{place}: inside a character"
    assert 0 <= one.score <= SCORE_MAX, f"{place}: score {one.score}"
    assert one.label >= 0, f"{place}: label {one.label}"
    known = int(Support.CHECKED | Support.SEPARATED | Support.CONTEXT)
    assert int(one.support) & ~known == 0, f"{place}: reserved bits of support are set"


def _is_boundary(data: bytes, offset: int) -> bool:
    return offset == len(data) or data[offset] & 0xC0 != 0x80


def decision(one: Any) -> Decision:
    """The rules for a decision: what the host cannot honour or does not know, it denies."""
    assert isinstance(one, Decision), f"a policy answers with a Decision, not with {one!r}"
    match one.verdict:
        case Allow():
            pass
        case Deny(reason):
            _sentence(reason)
        case Hold(approval):
            _approval(approval)
        case Rewrite(statement):
            assert statement.strip(), "an empty statement instead"
            assert len(statement.encode()) <= _REWRITE_BYTES_MAX, "a statement longer than 1 MiB"
        case other:
            raise AssertionError(f"{other!r} is no verdict")
    assert len(one.obligations) <= _ENTRIES_MAX, f"more than {_ENTRIES_MAX} obligations"
    for pair in one.obligations:
        _obligation(pair.key, pair.value)
    return one


def _sentence(reason: str) -> None:
    assert reason.strip(), "a reason is shown to the client: it cannot be empty"
    assert len(reason.encode()) <= _TEXT_BYTES_MAX, f"a reason of more than {_TEXT_BYTES_MAX} bytes is cut: {reason}"


def _approval(approval: Approval) -> None:
    _sentence(approval.reason)
    seconds = approval.stands_for // timedelta(seconds=1)
    assert 1 <= seconds <= _TTL_S_MAX, f"nobody can approve within {approval.stands_for}"
    assert not isinstance(approval.approvers, str), "approvers are several groups: a tuple"
    assert len(approval.approvers) <= _ENTRIES_MAX, f"more than {_ENTRIES_MAX} groups of approvers"
    assert all(len(group.encode()) <= _TEXT_BYTES_MAX for group in approval.approvers), (
        "the name of a group is too long"
    )


def _obligation(key: str, value: str) -> None:
    match key:
        case "row-cap":
            assert value.isascii() and value.isdigit() and int(value) < 2**64, f"{value} is no number of rows"
        case "mask":
            column, _, treatment = value.rpartition("=")
            parts = column.split(".")
            assert len(parts) == 3 and all(parts), f"{column}: a column is schema.table.column"
            assert _is_treatment(treatment), f"{treatment}: use keep, null, redact, keep-last:N or token"
        case _:
            raise AssertionError(f"the host knows no obligation `{key}` and would deny")


def _is_treatment(text: str) -> bool:
    word, colon, count = text.partition(":")
    if colon:
        return word == "keep-last" and count.isascii() and count.isdigit() and 1 <= int(count) <= 16
    return word in {"keep", "null", "redact", "token"}
