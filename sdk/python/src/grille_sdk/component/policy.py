"""The exports of a policy component."""

from __future__ import annotations

from datetime import timedelta
from types import ModuleType
from typing import Any, assert_never

from wit_world.exports import policy as wit
from wit_world.imports import types

from .._failure import Failure
from .._plugin import find_plugin
from .._policy import Action, Allow, Approval, Decision, Deny, Hold, Object, Policy, Rewrite, Verdict
from . import Slot, attributes, exchange, failing_closed, grant_imports, wit_attributes

_TTL_S_MAX = 2**32 - 1


def export(module: ModuleType) -> tuple[type, type]:
    """The interfaces `lifecycle` and `policy` of the policy that the module defines."""
    grant_imports()
    slot: Slot[Policy[Any]] = Slot(find_plugin(module, Policy), lambda policy: policy)

    class Lifecycle:
        def configure(self, settings_json: str) -> None:
            slot.configure(settings_json)

        def begin(self, ctx: types.Exchange, fields: list[types.Field]) -> None:
            with failing_closed():
                slot.content().begin(exchange(ctx))

    class Decide:
        def decide(self, what: wit.Action) -> wit.Decision:
            with failing_closed():
                decision: object = slot.content().decide(_action(what))
                if not isinstance(decision, Decision):
                    raise Failure(f"decide() answered with {type(decision).__name__}, not with a Decision")
                return _wit_decision(decision)

    return Lifecycle, Decide


def _action(what: wit.Action) -> Action:
    return Action(
        kind=what.kind,
        effects=tuple(what.effects),
        objects=tuple(Object(one.kind, one.name, one.access) for one in what.objects),
        features=tuple(what.features),
        text=what.text,
        fingerprint=what.fingerprint,
        attributes=attributes(what.attributes),
    )


def _wit_decision(decision: Decision) -> wit.Decision:
    return wit.Decision(_wit_verdict(decision.verdict), wit_attributes(decision.obligations))


def _wit_verdict(verdict: Verdict) -> wit.Verdict:
    match verdict:
        case Allow():
            return wit.Verdict_Allow()
        case Deny(reason):
            return wit.Verdict_Deny(reason)
        case Hold(approval):
            return wit.Verdict_Hold(_wit_approval(approval))
        case Rewrite(statement):
            return wit.Verdict_Rewrite(statement)
        case other:
            assert_never(other)


def _wit_approval(approval: Approval) -> wit.Approval:
    ttl_s = min(approval.stands_for // timedelta(seconds=1), _TTL_S_MAX)
    return wit.Approval(approval.reason, list(approval.approvers), ttl_s)
