"""Capability: small values kept between exchanges, for counting and for remembering.

Each plugin has its own, by role; bytes and keys are limited, and old values give way to new ones. Not kept over a restart.
A policy that has it is judged anew for each statement. Every function raises `Failure` if the host cannot do it; let it
pass, and the host fails closed.
"""

from __future__ import annotations

from datetime import timedelta

from . import _host

_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)


def get(key: str) -> bytes | None:
    """What was kept under that key, if it is still there."""
    return _host.state().get(key)


def set(key: str, value: bytes, ttl: timedelta) -> None:
    """Keeps the value for that long, at most a day."""
    _host.state().set(key, value, _milliseconds(ttl))


def add(key: str, delta: int, window: timedelta) -> int:
    """Adds to a counter that begins anew `window` after its first addition; its new value."""
    return _host.state().add(key, delta, _milliseconds(window))


def _milliseconds(duration: timedelta) -> int:
    if not _MILLISECOND <= duration <= _DAY:
        raise ValueError(f"{duration} is not between a millisecond and a day")
    return duration // _MILLISECOND
