"""The README's examples run, its tests included."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from grille_sdk import Detector, Policy
from grille_sdk._plugin import find_plugin

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_of_the_readme_run(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, detector, tests = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    modules = {}
    for name, source in {"readme_policy": policy, "readme_detector": detector}.items():
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, name, "exec"), vars(module))  # noqa: S102
        modules[name] = module
    found = [find_plugin(modules["readme_policy"], Policy), find_plugin(modules["readme_detector"], Detector)]
    namespace = {one.__name__: one for one in found}
    exec(compile(tests, "readme_tests", "exec"), namespace)  # noqa: S102
    for name in ("test_findings", "test_decisions"):
        namespace[name]()  # type: ignore[call-arg, abstract]
