from pathlib import Path

import pytest
from masker import keep_shape

from grille_sdk.testing import Manifest, configure, mask


def test_plugin_toml_says_the_truth() -> None:
    Manifest.read(Path(__file__).parent.parent / "plugin.toml").check_masker(keep_shape)


@pytest.mark.parametrize(("text", "expected"), [("Åse 47", "Xxx 00"), ("", ""), ("---", "---"), ("a" * 5000, "…")])
def test_only_the_shape_is_left(text: str, expected: str) -> None:
    assert mask(configure(keep_shape), text) == expected
