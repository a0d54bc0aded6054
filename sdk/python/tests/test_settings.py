"""From JSON to typed settings, and what is said of JSON that does not fit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, time
from enum import Enum
from typing import Any, Literal

import pytest

from grille_sdk import Diagnostic, Policy, SettingsError, configure_json
from grille_sdk._settings import reader


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    name: str
    least: int = 1

    def __post_init__(self) -> None:
        if self.least < 0:
            raise SettingsError(Diagnostic("/least", "cannot be negative"))
        if not self.name:
            raise ValueError("needs a name")


@dataclass(frozen=True)
class Settings:
    inner: Inner
    text: str = "t"
    ratio: float = 0.5
    on: bool = False
    maybe: str | None = None
    colour: Colour = Colour.RED
    mode: Literal["a", "b", 1] = "a"
    inners: tuple[Inner, ...] = ()
    words: frozenset[str] = frozenset()
    table: dict[str, Inner] = field(default_factory=dict)
    day: date = date(2026, 1, 1)
    at: time = time(9)
    either: Inner | list[int] = field(default_factory=list)
    anything: Any = None


def problems(value: Any) -> list[tuple[str, str]]:
    try:
        reader(Settings)(value)
    except SettingsError as error:
        return [(one.pointer, one.message) for one in error.diagnostics]
    return []


def test_every_kind_is_read() -> None:
    value = {
        "inner": {"name": "n", "least": 2},
        "text": "é",
        "ratio": 3,
        "on": True,
        "maybe": "m",
        "colour": "red",
        "mode": 1,
        "inners": [{"name": "o"}],
        "words": ["w", "w"],
        "table": {"k": {"name": "p"}},
        "day": "2026-12-31",
        "at": "09:30",
        "either": [1, 2],
        "anything": {"x": [None]},
    }
    expected = Settings(
        Inner("n", 2),
        "é",
        3.0,
        True,
        "m",
        Colour.RED,
        1,
        (Inner("o"),),
        frozenset({"w"}),
        {"k": Inner("p")},
        date(2026, 12, 31),
        time(9, 30),
        [1, 2],
        {"x": [None]},
    )
    assert reader(Settings)(value) == expected
    assert reader(Settings)({"inner": {"name": "n"}}) == Settings(Inner("n"))


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        ({}, "", "`inner` is missing"),
        ([], "", "must be a table"),
        ({"inner": {"name": "n"}, "txet": 1}, "", "unknown key `txet`"),
        ({"inner": {"name": 1}}, "/inner/name", "must be a text"),
        ({"inner": {"name": "n", "least": True}}, "/inner/least", "must be a whole number"),
        ({"inner": {"name": "n", "least": 1.5}}, "/inner/least", "must be a whole number"),
        ({"inner": {"name": "n", "least": -1}}, "/inner/least", "cannot be negative"),
        ({"inner": {"name": ""}}, "/inner", "needs a name"),
        ({"inner": {"name": "n"}, "on": 1}, "/on", "must be true or false"),
        ({"inner": {"name": "n"}, "colour": "blue"}, "/colour", "must be one of: red"),
        ({"inner": {"name": "n"}, "mode": True}, "/mode", "must be one of: a, b, 1"),
        ({"inner": {"name": "n"}, "inners": [{"name": "n"}, 3]}, "/inners/1", "must be a table"),
        ({"inner": {"name": "n"}, "table": {"a/b~c": {}}}, "/table/a~1b~0c", "`name` is missing"),
        ({"inner": {"name": "n"}, "day": "31.12."}, "/day", "must be a date such as 2026-12-31"),
        ({"inner": {"name": "n"}, "at": 9}, "/at", "must be a time such as 09:30"),
        ({"inner": {"name": "n"}, "maybe": 1}, "/maybe", "must be a text"),
        ({"inner": {"name": "n"}, "either": [1, "2"]}, "/either/1", "must be a whole number"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(value: Any, pointer: str, message: str) -> None:
    assert problems(value) == [(pointer, message)]


def test_everything_wrong_is_said_at_once() -> None:
    value = {"inner": {"name": 1, "least": "2"}, "text": 3}
    assert [pointer for pointer, _ in problems(value)] == ["/inner/name", "/inner/least", "/text"]


def test_a_type_that_settings_cannot_have_is_the_author_s_mistake() -> None:
    for kind in (object, set[str], dict[int, str], tuple[int, str], bytes):
        with pytest.raises(TypeError, match="settings cannot hold"):
            reader(kind)


class Plain(Policy[Inner]):
    def decide(self, action: Any) -> Any:
        raise NotImplementedError


class Derived(Plain):
    pass


class Without(Policy):  # type: ignore[type-arg]
    def decide(self, action: Any) -> Any:
        raise NotImplementedError


def test_a_plugin_is_made_of_its_own_settings() -> None:
    for plugin in (Plain, Derived):
        assert configure_json(plugin, json.dumps({"name": "n"})).settings == Inner("n")
    with pytest.raises(SettingsError, match="not JSON"):
        configure_json(Plain, "{")


def test_a_plugin_without_settings_takes_none() -> None:
    configure_json(Without, "{}")
    with pytest.raises(SettingsError, match="unknown key"):
        configure_json(Without, '{"a": 1}')
