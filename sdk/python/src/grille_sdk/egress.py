"""Capability: HTTPS requests to the hosts that the operator allows, bounded in time and bytes.

A policy that has it is judged anew for each statement. No plugin that sees cell contents may have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import _host
from ._exchange import Attribute


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever its status."""

    status: int
    """The HTTP status: 200, 404, …"""
    headers: tuple[Attribute, ...] = ()
    """In the order they came; a name can be there several times."""
    body: bytes = b""
    """All of it."""

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return next((one.value for one in self.headers if one.key.lower() == name.lower()), None)


def fetch(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
    """Sends one request; `url` begins with `https://`.

    Raises `Failure` if the host may not or could not; let it pass, and the host fails closed.
    """
    pairs = [Attribute(key, value) for key, value in (headers or {}).items()]
    status, answered, answer = _host.egress().fetch(method, url, pairs, body)
    return Reply(status, tuple(answered), answer)
