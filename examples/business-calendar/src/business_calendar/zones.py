"""Time zones without files.

A component has no files, so every zone of the `tzdata` package is read while the component is built: `ZoneInfo` finds zones
that are in use in its own cache, and here they are in use for ever. So libraries that ask for a zone by name find it too.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

_ZONES = {name: ZoneInfo(name) for name in sorted(available_timezones())}


def zone(name: str) -> ZoneInfo:
    """The zone; `ValueError` if there is none of that name."""
    try:
        return _ZONES[name]
    except KeyError:
        raise ValueError(f"there is no time zone `{name}`; write it as Europe/Berlin") from None
