"""Capabilities that a test grants: a clock that it sets, state in memory, answers that it wrote."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Self

from .. import _host
from .._exchange import Attribute
from .._failure import Failure
from ..egress import Reply
from ..log import Level

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Answer = Reply | Failure | Callable[[str, str, Mapping[str, str], bytes], Reply]
"""What a request gets: a reply, a failure to raise, or a function of method, URL, headers and body."""


class FakeHost(_host.Host):
    """Grants capabilities within a `with`:

        with FakeHost("clock", now=datetime(2026, 12, 24, 9, tzinfo=UTC)) as host:
            ...
            host.now += timedelta(hours=12)

    Name those of your `plugin.toml`: using another fails the test, as the gateway would not load it. While the plugin is
    being configured only the log may be used, as in the gateway.
    """

    def __init__(
        self,
        *granted: str,
        now: datetime = _EPOCH,
        replies: Mapping[str, Answer] | None = None,
        key: bytes = b"a key for tests",
    ) -> None:
        known = {"log", "clock", "state", "egress", "keyed"}
        if unknown := set(granted) - known:
            raise ValueError(f"no such capability: {', '.join(sorted(unknown))}")
        self.now = now
        """What the clock shows, with a time zone."""
        self.replies = dict(replies or {})
        """Answers by URL. A URL that is not there is one the operator did not allow."""
        self.requests: list[tuple[str, str]] = []
        """Method and URL of every request, in order."""
        self.messages: list[tuple[Level, str]] = []
        """What was logged, in order."""
        self.log = _Log(self) if "log" in granted else None
        self.clock = _Clock(self) if "clock" in granted else None
        self.state = _State(self) if "state" in granted else None
        self.egress = _Egress(self) if "egress" in granted else None
        self.keyed = _Keyed(key) if "keyed" in granted else None
        self._before: list[_host.Host] = []

    def __enter__(self) -> Self:
        self._before.append(_host.grant(self))
        return self

    def __exit__(self, *_: object) -> None:
        _host.grant(self._before.pop())

    @staticmethod
    @contextmanager
    def configuring() -> Iterator[None]:
        """Takes all but the log away, for as long as a plugin is made."""
        granted = _host.grant(_host.Host())
        restricted = _Configuring()
        restricted.log = granted.log
        _host.grant(restricted)
        try:
            yield
        finally:
            _host.grant(granted)


class _Forbidden:
    """Any use of a capability that may not be used yet."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError("a plugin must be made of its settings alone: only the log may be used while it is")


class _Configuring(_host.Host):
    def __init__(self) -> None:
        for name in ("clock", "state", "egress", "keyed"):
            setattr(self, name, _Forbidden())


class _Log:
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def write(self, level: int, message: str) -> None:
        self._host.messages.append((Level(level), message))


class _Clock:
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def now_ms(self) -> int:
        return _now_ms(self._host)


class _State:
    """As the gateway's, without its quotas. Time passes as the test says: `host.now += timedelta(...)`."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._values: dict[str, tuple[bytes, int]] = {}
        self._counters: dict[str, tuple[int, int]] = {}

    def get(self, key: str) -> bytes | None:
        value, end_ms = self._values.get(key, (b"", 0))
        return value if _now_ms(self._host) < end_ms else None

    def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        self._values[key] = (bytes(value), _now_ms(self._host) + ttl_ms)

    def add(self, key: str, delta: int, window_ms: int) -> int:
        now_ms = _now_ms(self._host)
        count, end_ms = self._counters.get(key, (0, 0))
        if now_ms >= end_ms:
            count, end_ms = 0, now_ms + window_ms
        self._counters[key] = (count + delta, end_ms)
        return count + delta


class _Egress:
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def fetch(
        self, method: str, url: str, headers: Sequence[Attribute], body: bytes
    ) -> tuple[int, Sequence[Attribute], bytes]:
        assert url.startswith("https://"), f"{url} does not begin with https://"
        self._host.requests.append((method, url))
        answer = self._host.replies.get(url, Failure(f"{url} is not allowed"))
        if isinstance(answer, Failure):
            raise answer
        reply = (
            answer if isinstance(answer, Reply) else answer(method, url, {one.key: one.value for one in headers}, body)
        )
        return reply.status, reply.headers, reply.body


class _Keyed:
    """Stable and different by domain, as the gateway's; its values are not the gateway's."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def transform(self, method: str, domain: str, values: Sequence[bytes]) -> Sequence[bytes]:
        if method not in {"token", "hmac-sha256"}:
            raise Failure(f"there is no method {method}")
        digests = [hmac.new(self._key, domain.encode() + b"\0" + value, hashlib.sha256).hexdigest() for value in values]
        return [(f"tok_{one[:16]}" if method == "token" else one).encode() for one in digests]


def _now_ms(host: FakeHost) -> int:
    return (host.now - _EPOCH) // timedelta(milliseconds=1)
