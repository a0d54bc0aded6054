"""An approval policy: whatever is more than reading waits for somebody's approval outside business hours and on holidays.

What the operator may set is in `settings`, what a business hour is in `calendar`; this file only puts them together.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from grille_sdk import Action, Approval, Decision, Policy, clock

from .calendar import BusinessCalendar
from .settings import Settings

__all__ = ["OutOfHoursApproval"]


class OutOfHoursApproval(Policy[Settings]):
    """Allows within business hours; holds outside of them what is not unrestricted."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._calendar = BusinessCalendar(settings)
        self._unrestricted = frozenset(settings.unrestricted_effects)
        approval = settings.approval
        self._approval = Approval("", approval.approvers, timedelta(seconds=approval.ttl_s))

    def decide(self, action: Action) -> Decision:
        # An effect that this version does not know is not in the list, and so it needs approval like the others.
        if self._unrestricted.issuperset(action.effects):
            return Decision.allow()
        closed = self._calendar.why_closed(clock.now())
        if closed is None:
            return Decision.allow()
        reason = f"{action.kind.upper()} {closed} needs approval"
        return Decision.hold(replace(self._approval, reason=reason))
