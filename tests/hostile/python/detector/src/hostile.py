"""A detector that misbehaves as its settings or its client say: see ../../README.md."""

from collections.abc import Sequence

import misdeeds
from grille_sdk import Cell, Detector, Exchange, Field, Finding, Findings, Label, Support


class Hostile(Detector[misdeeds.Settings]):
    def __init__(self, settings: misdeeds.Settings) -> None:
        super().__init__(settings)
        misdeeds.configured(settings)

    def begin(self, exchange: Exchange, fields: Sequence[Field]) -> None:
        self._misdeed = misdeeds.misdeed(self.settings, exchange.client)
        # Whoever can keep something until the next exchange finds nothing there, and gives itself away.
        self._is_blind = self._misdeed == "blind" or (self._misdeed == "keep" and misdeeds.keep("planted") != "")

    def inspect(self, cell: Cell, found: Findings) -> None:
        misdeeds.commit(self._misdeed)
        end = len(cell.text)
        match self._misdeed:
            case "giant-result":
                for _ in range(10_000_000):
                    found.add(Label(0), (0, end), 900)
            case "out-of-range":
                found.add(Label(0), (0, end + 9), 900)
            case "out-of-range-below":
                # Past the SDK's check, into what it hands over.
                found.found.append(Finding(0, 0, 2**32 - 1, 0, 900, Support.NONE))
            case "cell-out-of-range":
                found.found.append(Finding(2**32 - 1, 0, 1, 0, 900, Support.NONE))
            case "no-number":
                found.found.append(Finding(0, 0, -1, 0, 900, Support.NONE))
            case "unknown-label":
                found.add(Label(7), (0, end), 900)
            case _ if not self._is_blind:
                found.add(Label(0), (0, end), 900)
