"""Gives plugins what the host would give them, and judges what comes back as the host would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from .._block import Block
from .._detector import Detector, DetectorSession, Finding, Support
from .._exchange import Exchange, Field
from .._masker import Masker, MaskerSession
from .._plugin import P, configure_json
from .._policy import Action, Decision, Object, Policy
from . import _checks, _sandbox
from ._fakes import FakeHost


class Configured(Generic[P]):
    """A plugin type with settings that it accepted."""

    def __init__(self, plugin_type: type[P], settings_json: str) -> None:
        self._plugin_type = plugin_type
        self._settings_json = settings_json

    def fresh(self) -> P:
        """A new instance, as each exchange gets one: what an instance remembers must not matter to the next."""
        with FakeHost.configuring(), _sandbox.component():
            return configure_json(self._plugin_type, self._settings_json)


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector found in one text."""

    label: int
    """What it is said to be."""
    start: int
    """Where, in bytes of UTF-8, as in `plugin.toml`."""
    end: int
    text: str
    """The text there."""
    score: int
    """How sure the detector is."""
    support: Support
    """What speaks for it."""


def configure(plugin_type: type[P], settings: Mapping[str, Any] | str | None = None) -> Configured[P]:
    """A configured plugin; settings are a mapping, or JSON as the operator would write it. Raises `SettingsError`."""
    settings_json = settings if isinstance(settings, str) else json.dumps(settings or {})
    configured = Configured(plugin_type, settings_json)
    configured.fresh()
    return configured


def inspect(
    detector: Configured[Any], text: str, *, field: Field | None = None, exchange: Exchange | None = None
) -> list[Found]:
    """What the detector finds in one text, of a nameless column unless you name one; by place.

    Detectors of any type: the harness asks only for `begin` and `inspect`.
    """
    plugin = detector.fresh()
    assert isinstance(plugin, Detector), f"{type(plugin).__name__} is no detector"
    session = DetectorSession(plugin)
    with _sandbox.component():
        session.begin(exchange or Exchange(), (field or Field(),))
        findings = session.inspect(_block([text]))
    found = [_found(one, text) for one in findings]
    return sorted(found, key=lambda one: (one.start, one.end, one.label))


def mask(masker: Configured[Any], text: str, *, field: Field | None = None, exchange: Exchange | None = None) -> str:
    """What the masker makes of one text, of a nameless column unless you name one."""
    return mask_all(masker, [text], field=field, exchange=exchange)[0]


def mask_all(
    masker: Configured[Any], texts: Sequence[str], *, field: Field | None = None, exchange: Exchange | None = None
) -> list[str]:
    """What the masker makes of several texts of one column in one block."""
    plugin = masker.fresh()
    assert isinstance(plugin, Masker), f"{type(plugin).__name__} is no masker"
    session = MaskerSession(plugin)
    with _sandbox.component():
        session.begin(exchange or Exchange(), (field or Field(),))
        edits = session.mask(_block(texts))
    return [edits.data[start:end].decode() for start, end in zip(edits.offsets, edits.offsets[1:], strict=False)]


def decide(policy: Configured[Any], action: Action, *, exchange: Exchange | None = None) -> Decision:
    """The policy's word on one action, in an exchange of nobody in particular unless you name one."""
    plugin = policy.fresh()
    assert isinstance(plugin, Policy), f"{type(plugin).__name__} is no policy"
    with _sandbox.component():
        plugin.begin(exchange or Exchange())
        decision = plugin.decide(action)
    return _checks.decision(decision)


def action(
    kind: str,
    effects: Iterable[str] = (),
    objects: Iterable[tuple[str, str, str]] = (),
    features: Iterable[str] = (),
    text: str = "",
) -> Action:
    """An action, from words. Objects are kind, name, access."""
    return Action(
        kind=kind,
        effects=tuple(effects),
        objects=tuple(Object(*one) for one in objects),
        features=tuple(features),
        text=text,
    )


def _found(finding: Finding, text: str) -> Found:
    _checks.finding(finding, text)
    part = text.encode()[finding.start : finding.end].decode()
    return Found(finding.label, finding.start, finding.end, part, finding.score, finding.support)


def _block(texts: Sequence[str]) -> Block:
    encoded = [text.encode() for text in texts]
    offsets = [0]
    for one in encoded:
        offsets.append(offsets[-1] + len(one))
    return Block(len(texts), [0], offsets, b"".join(encoded))
