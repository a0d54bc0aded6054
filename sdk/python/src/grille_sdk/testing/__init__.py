"""Tests of a plugin without a gateway and without WebAssembly: give a detector texts, a policy actions, and check both against
the plugin's own `plugin.toml`. Works in pytest and unittest alike; everything here raises `AssertionError` with what is wrong
where the host would not accept what the plugin did.
"""

from ._fakes import FakeHost
from ._manifest import Gate, Manifest
from ._run import Configured, Found, action, configure, decide, inspect, mask, mask_all

__all__ = [
    "Configured",
    "FakeHost",
    "Found",
    "Gate",
    "Manifest",
    "action",
    "configure",
    "decide",
    "inspect",
    "mask",
    "mask_all",
]
