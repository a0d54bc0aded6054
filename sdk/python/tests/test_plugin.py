"""How the plugin of a module is found."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from grille_sdk import Policy
from grille_sdk._plugin import find_plugin


def module(**content: Any) -> ModuleType:
    made = ModuleType("made")
    for name, value in content.items():
        setattr(made, name, value)
    return made


def policy(module: str) -> type[Policy[Any]]:
    return type("Made", (Policy,), {"__module__": module, "decide": lambda self, action: None})


def test_a_module_s_own_plugin_is_found() -> None:
    own = policy("made")
    assert find_plugin(module(own=own, again=own, other=policy("elsewhere"), number=1), Policy) is own
    inner = policy("made.inner")
    assert find_plugin(module(inner=inner), Policy) is inner


def test_a_module_has_exactly_one() -> None:
    with pytest.raises(TypeError, match="it has none"):
        find_plugin(module(other=policy("elsewhere")), Policy)
    with pytest.raises(TypeError, match="it has Made, Made"):
        find_plugin(module(a=policy("made"), b=policy("made")), Policy)
