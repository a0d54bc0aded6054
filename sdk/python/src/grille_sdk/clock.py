"""Capability: the time. A policy that has it is judged anew for each statement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from . import _host

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """The time in UTC, to the millisecond. `datetime.now()` and `time.time()` end the plugin instead: it has no clock."""
    # Not fromtimestamp(): a float is not exact.
    return _EPOCH + timedelta(milliseconds=_host.clock().now_ms())
