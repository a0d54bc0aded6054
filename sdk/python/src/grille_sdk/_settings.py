"""From the operator's JSON to a plugin's own settings type: dataclasses, checked and typed all the way down.

A reader is made once for a type and then called for each value, so that annotations are not looked at while clients wait.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, time
from enum import Enum
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from ._failure import Diagnostic, SettingsError

Reader: TypeAlias = Callable[[Any], Any]
"""Makes a typed value of a JSON value, or raises `SettingsError` with pointers that count from that value."""


def reader(kind: Any) -> Reader:
    """The reader of a type: dataclasses, `str`, `int`, `float`, `bool`, `None`, `list`, `tuple[T, ...]`, `frozenset`,
    `dict[str, T]`, unions, `Literal`, enumerations by value, `date` and `time` in ISO 8601, and `Any`.

    Raises `TypeError` for any other: the author's mistake, found when the class is made.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: value
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_reader(kind)
    if origin in (Union, types.UnionType):
        return _union_reader([reader(one) for one in arguments])
    if origin is Literal:
        return _choice_reader({one: one for one in arguments})
    if origin in (list, frozenset) or (origin is tuple and arguments[1:] == (...,)):
        return _sequence_reader(origin, reader(arguments[0]))
    if origin is dict and arguments[0] is str:
        return _mapping_reader(reader(arguments[1]))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice_reader({one.value: one for one in kind})
    if kind in _ISO:
        return _iso_reader(kind)
    if kind in _SCALARS:
        return _scalar_reader(kind)
    raise TypeError(f"settings cannot hold {kind!r}")


_SCALARS: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
_ISO: Mapping[Any, str] = {date: "a date such as 2026-12-31", time: "a time such as 09:30"}


def _wrong(message: str) -> SettingsError:
    return SettingsError(Diagnostic("", message))


def _scalar_reader(kind: Any) -> Reader:
    # JSON's 3 is a float's value too, and Python's bool is an int, which settings never mean.
    accepted = (int, float) if kind is float else kind
    name = _SCALARS[kind]

    def read(value: Any) -> Any:
        if isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)):
            return float(value) if kind is float else value
        raise _wrong(f"must be {name}")

    return read


def _iso_reader(kind: Any) -> Reader:
    def read(value: Any) -> Any:
        try:
            return kind.fromisoformat(value)
        except (TypeError, ValueError):
            raise _wrong(f"must be {_ISO[kind]}") from None

    return read


def _choice_reader(choices: Mapping[Any, Any]) -> Reader:
    listed = ", ".join(map(str, choices))

    def read(value: Any) -> Any:
        for known, meant in choices.items():
            # 1 == True, but they are not the same setting.
            if known == value and type(known) is type(value):
                return meant
        raise _wrong(f"must be one of: {listed}")

    return read


def _union_reader(readers: list[Reader]) -> Reader:
    def read(value: Any) -> Any:
        errors: list[SettingsError] = []
        for one in readers:
            try:
                return one(value)
            except SettingsError as error:
                errors.append(error)
        # Whoever got furthest into the value is what was meant.
        raise max(errors, key=lambda error: max(len(one.pointer) for one in error.diagnostics))

    return read


def _sequence_reader(make: Callable[[Iterator[Any]], Any], item: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _wrong("must be a list")
        return make(iter(_collect((str(index), item, one) for index, one in enumerate(value))))

    return read


def _mapping_reader(item: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _wrong("must be a table")
        return dict(zip(value, _collect((key, item, one) for key, one in value.items()), strict=True))

    return read


def _dataclass_reader(kind: type[Any]) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: reader(hints[field.name]) for field in fields(kind) if field.init}
    required = [field.name for field in fields(kind) if field.init and not has_default(field)]

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _wrong("must be a table")
        problems = [Diagnostic("", f"unknown key `{key}`") for key in value if key not in readers]
        problems += [Diagnostic("", f"`{key}` is missing") for key in required if key not in value]
        SettingsError.raise_any(problems)
        values = _collect((key, readers[key], one) for key, one in value.items())
        return _make(kind, dict(zip(value, values, strict=True)))

    return read


def _make(kind: type[Any], values: dict[str, Any]) -> Any:
    """A `ValueError` of `__post_init__` is what the author says of the settings."""
    try:
        return kind(**values)
    except ValueError as error:
        raise _wrong(str(error)) from None


def _collect(items: Iterator[tuple[str, Reader, Any]]) -> list[Any]:
    """Reads all of them, so that all that is wrong is said at once."""
    values: list[Any] = []
    problems: list[Diagnostic] = []
    for key, read, value in items:
        try:
            values.append(read(value))
        except SettingsError as error:
            # RFC 6901 section 3.
            token = key.replace("~", "~0").replace("/", "~1")
            problems += [one.under(f"/{token}") for one in error.diagnostics]
    SettingsError.raise_any(problems)
    return values


def has_default(field: Field[Any]) -> bool:
    """Whether settings may leave it out."""
    return field.default is not MISSING or field.default_factory is not MISSING
