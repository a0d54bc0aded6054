"""What judges statements before they run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Generic, TypeAlias

from ._exchange import Attribute, Exchange
from ._function import adopt, settings_type_of
from ._plugin import Plugin, S


@dataclass(frozen=True, slots=True)
class Object:
    """Something a statement touches."""

    kind: str
    """`relation`, `function`, `schema`, `role`, `database`, …"""
    name: str
    """As written, folded as the server folds it; qualified where the statement qualifies it: `public.users`."""
    access: str
    """`read`, `insert`, `update`, `delete`, `define`, `drop`, `truncate`, `grant`, `call`, `lock`, `set`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One statement, as the host's own parser understood it.

    The words are listed in the interface; the lists grow, so ignore words you do not know when you allow, and expect them
    when you deny.
    """

    kind: str = ""
    """The command: `select`, `insert`, `drop table`, `alter table`, `begin`, …"""
    effects: tuple[str, ...] = ()
    """Everything it does, CTEs and EXPLAIN ANALYZE included: `read`, `insert`, `update`, `delete`, `define`, …"""
    objects: tuple[Object, ...] = ()
    """Everything it touches."""
    features: tuple[str, ...] = ()
    """Noteworthy things: `no-where`, `constant-where`, `copy-program`, …"""
    text: str = ""
    """The statement with its literals replaced by parameters."""
    fingerprint: int = 0
    """The same for statements that differ in literals only."""
    attributes: tuple[Attribute, ...] = ()
    """Everything else."""

    def has_effect(self, effect: str) -> bool:
        """Whether the statement does that."""
        return effect in self.effects

    def has_feature(self, feature: str) -> bool:
        """Whether that is noteworthy about it."""
        return feature in self.features


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approver is asked."""

    STANDS_FOR_DEFAULT: ClassVar[timedelta] = timedelta(hours=1)
    """How long a request stands unless the policy says otherwise."""

    reason: str
    """Shown to approver and client."""
    approvers: tuple[str, ...] = ()
    """Groups that may approve; empty leaves it to the role."""
    stands_for: timedelta = STANDS_FOR_DEFAULT
    """How long the request stands, to the second."""


@dataclass(frozen=True, slots=True)
class Allow:
    """Run it."""


@dataclass(frozen=True, slots=True)
class Deny:
    """Do not run it; the reason is shown to the client."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Run it once somebody has approved it."""

    approval: Approval


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Run this statement instead."""

    statement: str


Verdict: TypeAlias = Allow | Deny | Hold | Rewrite
"""A policy's word on a statement."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and what must be done if the statement runs."""

    verdict: Verdict
    """The policy's word."""
    obligations: tuple[Attribute, ...] = ()
    """Key and value; a host that cannot honour one denies."""

    @staticmethod
    def allow() -> Decision:
        """Run it."""
        return Decision(Allow())

    @staticmethod
    def deny(reason: str) -> Decision:
        """Do not run it. The reason is one sentence, shown to the client."""
        return Decision(Deny(reason))

    @staticmethod
    def hold(approval: Approval) -> Decision:
        """Run it once somebody has approved it."""
        return Decision(Hold(approval))

    @staticmethod
    def rewrite(statement: str) -> Decision:
        """Run this statement instead."""
        return Decision(Rewrite(statement))

    def with_row_cap(self, rows: int) -> Decision:
        """If it runs, it ends with an error after this many rows."""
        return self._with(Attribute("row-cap", str(rows)))

    def with_mask(self, column: str, treatment: str) -> Decision:
        """If it runs, the column (`schema.table.column`) is treated so: `null`, `redact`, `keep-last:4`, `token`."""
        return self._with(Attribute("mask", f"{column}={treatment}"))

    def _with(self, obligation: Attribute) -> Decision:
        return replace(self, obligations=(*self.obligations, obligation))


class Policy(Plugin[S], ABC, Generic[S]):
    """Judges what a client asks for, before anything reaches the upstream.

    `class OfficeHours(Policy[Settings])` names the type of its settings, a dataclass.
    """

    def begin(self, exchange: Exchange) -> None:
        """Called before the exchange's statement is judged. Raise `Failure` if that cannot be: the host denies it."""

    @abstractmethod
    def decide(self, action: Action) -> Decision:
        """The policy's word on one statement.

        A policy that uses neither clock, state nor egress must be a function of its settings, the exchange and the action:
        the host remembers its decisions.
        """


def policy(function: Callable[[S, Exchange, Action], Decision]) -> type[Policy[S]]:
    """Makes a policy of a function; the type of its settings is the annotation of its first parameter.

    The result is a class, as if it had been written as one: give it to the test harness.
    """

    class FunctionPolicy(Policy[settings_type_of(function)]):  # type: ignore[misc]
        def begin(self, exchange: Exchange) -> None:
            self.exchange = exchange

        def decide(self, action: Action) -> Decision:
            return function(self.settings, self.exchange, action)

    return adopt(FunctionPolicy, function)
