"""What detectors, maskers and policies have in common: typed settings, and how a module's plugin is found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from inspect import isabstract
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from ._failure import Diagnostic, SettingsError
from ._settings import Reader, reader

S = TypeVar("S")
P = TypeVar("P", bound="Plugin[Any]")


@dataclass(frozen=True, slots=True)
class NoSettings:
    """The settings of a plugin that takes none."""


class Plugin(Generic[S]):
    """The base of `Detector`, `Masker` and `Policy`; derive from one of those.

    Making the object is the interface's `configure`: it happens once, before anything else, and must be pure, for the host
    may keep a snapshot of the outcome. Raise `SettingsError` for what is wrong with the settings.
    """

    settings_type: ClassVar[type[Any]] = NoSettings
    # Made when the class is: in a component that is at build time, and `configure` runs for each exchange.
    _read_settings: ClassVar[Reader] = staticmethod(reader(NoSettings))

    def __init__(self, settings: S) -> None:
        self.settings = settings

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__dict__.get("__orig_bases__", ()):
            origin, arguments = get_origin(base), get_args(base)
            if isinstance(origin, type) and issubclass(origin, Plugin) and isinstance(arguments[0], type):
                _take_settings(cls, arguments[0])


def _take_settings(cls: type[Plugin[Any]], settings_type: type[Any]) -> None:
    cls.settings_type = settings_type
    cls._read_settings = staticmethod(reader(settings_type))


def configure_json(plugin_type: type[P], settings_json: str) -> P:
    """Reads settings and makes the plugin. What the components and the test harness share.

    Raises `SettingsError`: the host has checked the JSON against the plugin's schema before, so if it does not fit the type,
    schema and type differ.
    """
    try:
        value = json.loads(settings_json)
    except ValueError as error:
        raise SettingsError(Diagnostic("", f"not JSON: {error}")) from None
    return plugin_type(plugin_type._read_settings(value))


def find_plugin(module: ModuleType, kind: type[P]) -> type[P]:
    """The one plugin that the module, or package, defines. Imported ones do not count: plugins can share base classes."""

    def is_own(value: object) -> bool:
        inside = isinstance(value, type) and (value.__module__ + ".").startswith(module.__name__ + ".")
        return inside and issubclass(value, kind) and not isabstract(value)  # type: ignore[arg-type]

    # By identity: a class may have two names.
    found = list({id(value): value for value in vars(module).values() if is_own(value)}.values())
    if len(found) != 1:
        names = ", ".join(one.__name__ for one in found) or "none"
        raise TypeError(f"{module.__name__} must define exactly one {kind.__name__.lower()}; it has {names}")
    plugin: type[P] = found[0]
    return plugin
