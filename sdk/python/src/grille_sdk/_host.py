"""Where capabilities lead: to the component's imports, or to the fakes of a test.

The capability modules (`log`, `clock`, `state`, `egress`, `keyed`) are what plugins call; this is what stands behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from ._exchange import Attribute
from ._failure import Failure

T = TypeVar("T")


class NotGranted(Failure):
    """A capability that is not among the `[[capabilities]]` of `plugin.toml`."""

    def __init__(self, capability: str) -> None:
        super().__init__(f"the plugin uses `{capability}`, which is not among the capabilities of its plugin.toml")


class Log(Protocol):
    """WIT's `log`."""

    def write(self, level: int, message: str) -> None: ...


class Clock(Protocol):
    """WIT's `clock`."""

    def now_ms(self) -> int: ...


class State(Protocol):
    """WIT's `state`."""

    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes, ttl_ms: int) -> None: ...
    def add(self, key: str, delta: int, window_ms: int) -> int: ...


class Egress(Protocol):
    """WIT's `egress`; the answer is status, headers, body."""

    def fetch(
        self, method: str, url: str, headers: Sequence[Attribute], body: bytes
    ) -> tuple[int, Sequence[Attribute], bytes]: ...


class Keyed(Protocol):
    """WIT's `keyed`, with values one by one."""

    def transform(self, method: str, domain: str, values: Sequence[bytes]) -> Sequence[bytes]: ...


class Host:
    """What is granted; `None` is not."""

    log: Log | None = None
    clock: Clock | None = None
    state: State | None = None
    egress: Egress | None = None
    keyed: Keyed | None = None


# Without a test's fakes or a component around it, nothing is granted.
_current = Host()


def grant(host: Host) -> Host:
    """Puts that behind the capability modules; what was there before comes back."""
    global _current
    before, _current = _current, host
    return before


def log() -> Log:
    """The granted log, or `NotGranted`; so the others."""
    return _granted("log", _current.log)


def clock() -> Clock:
    return _granted("clock", _current.clock)


def state() -> State:
    return _granted("state", _current.state)


def egress() -> Egress:
    return _granted("egress", _current.egress)


def keyed() -> Keyed:
    return _granted("keyed", _current.keyed)


def _granted(name: str, capability: T | None) -> T:
    if capability is None:
        raise NotGranted(name)
    return capability
