"""Capability: the host's log. Messages are cut at 1 KiB and rate-limited. No plugin that sees cell contents may have it."""

from __future__ import annotations

from enum import IntEnum

from . import _host


class Level(IntEnum):
    """How much a message matters."""

    TRACE = 0
    """Every step."""
    DEBUG = 1
    """For the plugin's author."""
    INFO = 2
    """For the operator, in good times."""
    WARN = 3
    """Somebody should look some day."""
    ERROR = 4
    """Somebody should look now."""


def write(level: Level, message: str) -> None:
    """Writes one message."""
    _host.log().write(int(level), message)
