"""{{name}}: keeps the shape of a value and nothing else."""

from dataclasses import dataclass

from grille_sdk import Cell, masker


@dataclass(frozen=True)
class Settings:
    """What the operator may set; settings.schema.json says the same."""


LONGEST = 4096
"""A longer value has no shape worth keeping, and a call has but a quarter of a second."""


@masker
def keep_shape(settings: Settings, cell: Cell) -> str:
    if len(cell.text) > LONGEST:
        return "…"
    return "".join(_shape(character) for character in cell.text)


def _shape(character: str) -> str:
    if character.isupper():
        return "X"
    if character.isalpha():
        return "x"
    return "0" if character.isnumeric() else character
