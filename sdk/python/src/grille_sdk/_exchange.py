"""What a plugin is told of the exchange it works for: the records of WIT's `types` interface."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attribute:
    """One pair of an open vocabulary. Ignore keys you do not know."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One client request with its response: the unit of judgement and isolation.

    A plugin instance sees one exchange and is then thrown away, so nothing a plugin remembers reaches another client.
    """

    id: int = 0
    """Unique within one Grille process; the audit record carries it."""
    protocol: str = ""
    """`postgres`; later `mysql`, `http`."""
    principal: str = ""
    """The verified token's subject."""
    principal_kind: str = ""
    """`human`, `workload` or `agent`."""
    groups: tuple[str, ...] = ()
    """The verified token's groups."""
    role: str = ""
    """The role under which the client works."""
    upstream: str = ""
    """The backend's name in the configuration."""
    target: str = ""
    """The upstream's database or HTTP authority."""
    client: str = ""
    """What the client says of itself (application name, user agent). Not verified."""
    attributes: tuple[Attribute, ...] = ()
    """Everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column of a result."""

    name: str = ""
    """The label the client sees; an alias can change it."""
    origin: str = ""
    """`schema.table.column` where the host knows it, else empty; an alias cannot change it."""
    kind: str = ""
    """`text`, `integer`, `numeric`, `uuid`, `date`, `timestamp`, `json`, `bytes`, …; empty when not known."""
