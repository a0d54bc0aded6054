from pathlib import Path

from policy import protect

from grille_sdk import Decision
from grille_sdk.testing import Manifest, action, configure, decide


def test_plugin_toml_says_the_truth() -> None:
    Manifest.read(Path(__file__).parent.parent / "plugin.toml").check_policy(protect)


def test_protected_tables_are_only_read() -> None:
    configured = configure(protect, {"protected": ["salaries"]})
    update = action("update", ["update"], [("relation", "hr.salaries", "update")])
    assert decide(configured, update) == Decision.deny("salaries may only be read")
    assert decide(configured, action("select", ["read"], [("relation", "salaries", "read")])) == Decision.allow()
