"""What a Python plugin of any world can do wrong: ways not to come back, and what its language offers to reach beyond it.

What a component lacks is missed here when it is used, not when it is imported: some modules are not there at all.
"""

import builtins
import os
import random
import sys
import time
import uuid
from dataclasses import dataclass

from grille_sdk import Failure, _sandbox

try:
    import socket
except ImportError as missing:
    NO_SOCKET = str(missing)
else:
    NO_SOCKET = ""


@dataclass(frozen=True)
class Settings:
    """What the operator may set; settings.schema.json says the same."""

    mode: str = ""


def configured(settings: Settings) -> None:
    """Misbehaves at once if it is to."""
    if settings.mode.endswith("-in-configure"):
        commit(settings.mode.removesuffix("-in-configure"))


def misdeed(settings: Settings, client: str) -> str:
    """What to do in an exchange; empty for nothing wrong."""
    if settings.mode or not client.startswith("misdeed:"):
        return settings.mode
    return client.removeprefix("misdeed:")


def commit(name: str) -> None:
    """Does not come back from these; the others are not known here."""
    match name:
        case "spin":
            while True:
                pass
        case "allocate":
            kept = []
            while True:
                kept.append(b"\xaa" * (1 << 20))
        case "crash":
            raise ValueError("a crash that was asked for")
        case "exit":
            os._exit(0)
        case "leave":
            sys.exit("no")
        case "recurse":
            sys.setrecursionlimit(10**9)
            recurse(0)
        case "giant-failure":
            raise Failure("x" * (1 << 30))
        case "long-failure":
            raise Failure("x" * (4 << 20))
        case "control-characters":
            raise Failure("line\nERROR: forged\x1b[31m\u202e\0")


def recurse(depth: int) -> int:
    return recurse(depth + 1) + depth


def reached(name: str) -> str | None:
    """What the language gives of what lies outside, in words; None for what is no such thing."""
    try:
        match name:
            case "clock":
                return f"clock: {time.time()} {time.monotonic()} {time.localtime()}"
            case "random":
                return f"random: {random.random()} {hash('a')}"
            case "entropy":
                return f"entropy: {os.urandom(8)!r} {uuid.uuid4()}"
            case "environment":
                return f"environment: {sorted(os.environ.items())} {sys.argv} {os.getpid()}"
            case "files":
                with open("/etc/hostname") as file:
                    return f"files: {file.read()}"
            case "files-below":
                # The SDK's own watch is no wall: without it, there are still no files.
                _sandbox._error = None
                return f"files: {os.stat('/')} {os.listdir('/')}"
            case "network" if NO_SOCKET:
                return f"network: {NO_SOCKET}"
            case "network":
                return f"network: {socket.create_connection(('127.0.0.1', 5432))}"
    except OSError as error:
        return f"{name}: {type(error).__name__}"
    return None


KEPT: list[str] = []


def keep(text: str) -> str:
    """Keeps a text wherever one can be kept; all that was kept before."""
    before = "".join(KEPT) + getattr(builtins, "kept", "") + os.environ.get("KEPT", "")
    KEPT.append(text)
    builtins.kept = text
    os.environ["KEPT"] = text
    return before
