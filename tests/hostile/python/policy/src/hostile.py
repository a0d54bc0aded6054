"""A policy that misbehaves as its settings or its client say: see ../../README.md."""

import misdeeds
from grille_sdk import Action, Decision, Exchange, Policy


class Hostile(Policy[misdeeds.Settings]):
    def __init__(self, settings: misdeeds.Settings) -> None:
        super().__init__(settings)
        misdeeds.configured(settings)

    def begin(self, exchange: Exchange) -> None:
        self._misdeed = misdeeds.misdeed(self.settings, exchange.client)

    def decide(self, action: Action) -> Decision:
        misdeeds.commit(self._misdeed)
        reached = misdeeds.reached(self._misdeed)
        if reached is not None:
            return Decision.deny(reached)
        match self._misdeed:
            case "giant-reason":
                return Decision.deny("x" * (16 << 20))
            case "bad-utf8":
                return Decision.deny("\ud800")
            case "no-decision":
                return "allow"
            case "keep":
                kept = misdeeds.keep(action.text)
                return Decision.deny(f"kept: {kept}") if kept else Decision.allow()
        return Decision.allow()
