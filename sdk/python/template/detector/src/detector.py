"""{{name}}: finds employee numbers, a prefix and five digits."""

import re
from dataclasses import dataclass

from grille_sdk import Cell, Detector, Findings, Label, Support


@dataclass(frozen=True)
class Settings:
    """What the operator may set; settings.schema.json says the same."""

    prefix: str = "E-"

    def __post_init__(self) -> None:
        if not self.prefix:
            raise ValueError("five digits alone could be anything: set a prefix")


class EmployeeNumber(Detector[Settings]):
    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._pattern = re.compile(rf"(?<!\w){re.escape(settings.prefix)}[0-9]{{5}}\b")

    def inspect(self, cell: Cell, found: Findings) -> None:
        for match in self._pattern.finditer(cell.text):
            found.add(Label(0), match.span(), score=800, support=Support.SEPARATED)
