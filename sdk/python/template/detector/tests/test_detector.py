from pathlib import Path

from detector import EmployeeNumber

from grille_sdk.testing import Manifest, configure, inspect


def test_plugin_toml_says_the_truth() -> None:
    Manifest.read(Path(__file__).parent.parent / "plugin.toml").check_detector(EmployeeNumber)


def test_the_prefix_can_be_set() -> None:
    detector = configure(EmployeeNumber, {"prefix": "№"})
    assert [found.text for found in inspect(detector, "é №10423, E-10423")] == ["№10423"]
