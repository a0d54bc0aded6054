"""Decisions, and policies as functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from grille_sdk import Action, Allow, Approval, Attribute, Decision, Exchange, Hold, NoSettings, Policy, policy
from grille_sdk.testing import action, configure, decide


def test_obligations_add_up_in_the_words_of_the_interface() -> None:
    decision = Decision.allow().with_row_cap(10).with_mask("public.users.ssn", "keep-last:4")
    assert decision.verdict == Allow()
    assert decision.obligations == (Attribute("row-cap", "10"), Attribute("mask", "public.users.ssn=keep-last:4"))


def test_an_approval_stands_for_an_hour() -> None:
    assert Decision.hold(Approval("why")).verdict == Hold(Approval("why", (), timedelta(hours=1)))


@dataclass(frozen=True)
class Settings:
    group: str = "dba"


@policy
def only_for_a_group(settings: Settings, exchange: Exchange, action: Action) -> Decision:
    if action.has_effect("define") and settings.group not in exchange.groups:
        return Decision.deny(f"{action.kind} is for {settings.group}")
    return Decision.allow()


@policy
def not_for_agents(settings: NoSettings, exchange: Exchange, action: Action) -> Decision:
    return Decision.deny("not for agents") if exchange.principal_kind == "agent" else Decision.allow()


def test_a_function_is_a_policy() -> None:
    assert issubclass(only_for_a_group, Policy)
    configured = configure(only_for_a_group, {"group": "ops"})
    create = action("create table", ["define"])
    assert decide(configured, create) == Decision.deny("create table is for ops")
    assert decide(configured, create, exchange=Exchange(groups=("ops",))) == Decision.allow()
    assert decide(configure(not_for_agents), create, exchange=Exchange(principal_kind="agent")) != Decision.allow()
