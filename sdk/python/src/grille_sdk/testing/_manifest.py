"""`plugin.toml`: what a plugin says of itself, and whether that is true."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

from .._detector import Detector
from .._masker import Masker
from .._plugin import Plugin
from .._policy import Policy
from .._settings import has_default
from ._fakes import FakeHost
from ._run import action, configure, decide, inspect, mask


@dataclass(frozen=True, slots=True)
class Gate:
    """A cheap necessary condition on a text's bytes; all of it must hold."""

    bytes_min: int = 0
    """Fewest bytes."""
    digits_min: int = 0
    """Fewest ASCII digits."""
    letters_min: int = 0
    """Fewest ASCII letters."""
    any_of: str = ""
    """At least one of these ASCII characters; empty asks for none."""

    def passes(self, text: str) -> bool:
        """Whether the text passes."""
        digits = sum(character.isascii() and character.isdigit() for character in text)
        letters = sum(character.isascii() and character.isalpha() for character in text)
        return (
            len(text.encode()) >= self.bytes_min
            and digits >= self.digits_min
            and letters >= self.letters_min
            and (not self.any_of or any(character in self.any_of for character in text))
        )


class Manifest:
    """What `plugin.toml` holds, as far as tests need it."""

    def __init__(self, tables: Mapping[str, Any], folder: Path) -> None:
        self._tables = tables
        self._folder = folder

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a `plugin.toml`: `Manifest.read(Path(__file__).parent / "../plugin.toml")`."""
        path = Path(path)
        return cls(tomllib.loads(path.read_text(encoding="utf-8")), path.parent)

    @property
    def capabilities(self) -> list[str]:
        """The names of the capabilities it asks for, as `FakeHost` takes them."""
        return [one["name"] for one in self._tables.get("capabilities", [])]

    @property
    def labels(self) -> list[str]:
        """The names of the labels; a label's number is its place."""
        return [one["name"] for one in self._tables.get("labels", [])]

    @property
    def vectors(self) -> list[dict[str, Any]]:
        """Inputs with what must come of them under the settings `{}`."""
        vectors = list(self._tables.get("vectors", []))
        assert vectors, "plugin.toml has no vectors"
        return vectors

    def check_detector(self, detector: type[Detector[Any]]) -> None:
        """Runs every test vector under the settings `{}`, and holds the settings' class against their schema.

        Fails also when the label's gate would have kept the text from the detector.
        """
        self.check_settings(detector)
        configured = configure(detector)
        for vector in self.vectors:
            _only(vector, {"text", "expect"})
            text = vector["text"]
            found = {self._checked(one.label, one.start, one.end, text) for one in inspect(configured, text)}
            expected = {(one["label"], one["start"], one["end"]) for one in vector["expect"]}
            assert found == expected, f"{text!r}: found {sorted(found)}, expected {sorted(expected)}"

    def check_policy(self, policy: type[Policy[Any]]) -> None:
        """Runs every test vector under the settings `{}`, and holds the settings' class against their schema.

        What `capabilities` names is granted; the clock shows the vector's `at`, without one the start of 1970.
        """
        self.check_settings(policy)
        configured = configure(policy)
        for vector in self.vectors:
            _only(vector, {"at", "kind", "effects", "objects", "features", "expect"})
            objects = [(one["kind"], one["name"], one["access"]) for one in vector.get("objects", [])]
            what = action(vector["kind"], vector.get("effects", []), objects, vector.get("features", []))
            with FakeHost(*self.capabilities, now=_time(vector.get("at", "1970-01-01T00:00:00Z"))):
                verdict = decide(configured, what).verdict
            word = type(verdict).__name__.lower()
            assert word == vector["expect"], f"{vector}: {verdict}"

    def check_masker(self, masker: type[Masker[Any]]) -> None:
        """Runs every test vector under the settings `{}`, and holds the settings' class against their schema.

        What `capabilities` names is granted.
        """
        self.check_settings(masker)
        configured = configure(masker)
        for vector in self.vectors:
            _only(vector, {"text", "expect"})
            with FakeHost(*self.capabilities):
                masked = mask(configured, vector["text"])
            assert masked == vector["expect"], f"{vector}: {masked!r}"

    def check_settings(self, plugin: type[Plugin[Any]]) -> None:
        """The schema has the keys of the settings' class, and asks for those without a default; so all the way down."""
        _same(self._schema(), plugin.settings_type, "settings")

    def _schema(self) -> Mapping[str, Any]:
        name = self._tables["plugin"].get("settings")
        if name is None:
            return {"type": "object", "additionalProperties": False}
        schema: Mapping[str, Any] = json.loads((self._folder / name).read_text(encoding="utf-8"))
        return schema

    def _checked(self, label: int, start: int, end: int, text: str) -> tuple[str, int, int]:
        assert label < len(self.labels), f"{text!r}: label {label} is not in plugin.toml"
        gates = [Gate(**gate) for gate in self._tables["labels"][label].get("gates", [])]
        name = self.labels[label]
        assert not gates or any(gate.passes(text) for gate in gates), f"the gate of {name} keeps back {text!r}"
        return name, start, end


def _time(at: object) -> datetime:
    """RFC 3339 in UTC, in quotes: TOML's own times are not what the metadata has."""
    assert isinstance(at, str) and at.endswith("Z"), f"at = {at!r} is not like \"2026-11-23T10:00:00Z\""
    return datetime.fromisoformat(at).astimezone(UTC)


def _only(vector: Mapping[str, Any], known: set[str]) -> None:
    assert set(vector) <= known, f"{vector}: unknown key"


def _same(schema: Mapping[str, Any], kind: type[Any], place: str, root: Mapping[str, Any] | None = None) -> None:
    """Holds a dataclass against an object's schema, and then those of its fields that are dataclasses or lists of them."""
    root = root or schema
    properties = schema.get("properties", {})
    names = {field.name for field in fields(kind) if field.init}
    assert set(properties) == names, f"{place}: the schema has {sorted(properties)}, the class {sorted(names)}"
    required = {field.name for field in fields(kind) if field.init and not has_default(field)}
    asked = set(schema.get("required", []))
    assert asked == required, f"{place}: the schema requires {sorted(asked)}, the class {sorted(required)}"
    assert schema.get("additionalProperties") is False, f"{place}: the schema needs `additionalProperties`: false"
    hints = get_type_hints(kind)
    for name in names:
        for inner in _dataclasses(hints[name]):
            _same(_object_schema(properties[name], root), inner, f"{place}.{name}", root)


def _dataclasses(kind: Any) -> list[type[Any]]:
    """The dataclasses in a type: `Inner`, `tuple[Inner, ...]`, `Inner | None`."""
    if isinstance(kind, type) and is_dataclass(kind):
        return [kind]
    return [found for argument in get_args(kind) for found in _dataclasses(argument)]


def _object_schema(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object's schema behind references within the document, and behind a list's items."""
    if reference := schema.get("$ref"):
        for part in reference.removeprefix("#/").split("/"):
            root = root[part]
        return root
    return _object_schema(schema["items"], root) if "items" in schema else schema
