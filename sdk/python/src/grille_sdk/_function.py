"""What the three decorators share: a plugin made of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T", bound=type[Any])


def settings_type_of(function: Callable[..., Any]) -> type[Any]:
    """The annotation of the first parameter, a class."""
    first = next(iter(inspect.signature(function).parameters), "")
    kind = get_type_hints(function).get(first)
    if not isinstance(kind, type):
        raise TypeError(f"{function.__name__}: annotate `{first or 'settings'}` with the class of the settings")
    return kind


def adopt(plugin: T, function: Callable[..., Any]) -> T:
    """Gives the class the function's name, so that it is found in its module and named in messages."""
    plugin.__name__ = function.__name__
    plugin.__qualname__ = function.__qualname__
    plugin.__module__ = function.__module__
    plugin.__doc__ = function.__doc__
    return plugin
