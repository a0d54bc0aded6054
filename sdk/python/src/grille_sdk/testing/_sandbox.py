"""A plugin under test has no more than it has in a component: no files, and no clock but its capability.

What can be watched in a component too is in `grille_sdk._sandbox`; this is what would be too slow there.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import Any

from .. import _sandbox

_CLOCK = "asks for the time; use the capability clock"
_FORBIDDEN: dict[object, str] = {
    time.time: _CLOCK,
    time.time_ns: _CLOCK,
    time.monotonic: _CLOCK,
    time.monotonic_ns: _CLOCK,
    time.perf_counter: _CLOCK,
    time.sleep: "sleeps; a client waits",
    os.stat: "looks for a file while it works; a component has none",
    os.urandom: "asks for randomness; a component has none",
}


# What the functions of the module `random` are methods of. A generator with a seed of your own is as good as ever.
_RANDOM: object = getattr(random, "_inst", random)


@contextmanager
def component() -> Iterator[None]:
    """Within it, what a component does not have is an `AssertionError`."""
    before = sys.getprofile()
    with _sandbox.watched(AssertionError):
        sys.setprofile(_profile)
        try:
            yield
        finally:
            sys.setprofile(before)


def _profile(frame: FrameType, event: str, function: Any) -> None:
    """Sees calls of functions written in C, which cannot be replaced where they are methods of built-in types."""
    if event != "c_call":
        return
    owner = getattr(function, "__self__", None)
    if owner is _RANDOM:
        problem: str | None = "draws random numbers, which are the same ones in every instance of a component"
    elif isinstance(owner, type) and issubclass(owner, date):
        problem = _CLOCK if function.__name__ in {"now", "today", "utcnow"} else None
    else:
        problem = _FORBIDDEN.get(function) if getattr(function, "__module__", None) in {"time", "posix", "nt"} else None
    if problem is not None:
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        raise AssertionError(f"the plugin {problem} ({function.__name__} at {place})")
