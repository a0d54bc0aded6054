"""Capability of maskers: transforms under a key that the host keeps.

Equal values give equal results within a `domain`, and different ones across domains. One call for many values costs hardly
more than one for one: see `Masker.mask_all`. Every function raises `Failure` if the host cannot do it.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import _host
from ._failure import Failure


def token(domain: str, values: Sequence[str]) -> list[str]:
    """Short printable tokens, one for each value."""
    return _transform("token", domain, values)


def hmac_sha256(domain: str, values: Sequence[str]) -> list[str]:
    """64 hexadecimal digits for each value."""
    return _transform("hmac-sha256", domain, values)


def _transform(method: str, domain: str, values: Sequence[str]) -> list[str]:
    results = _host.keyed().transform(method, domain, [value.encode() for value in values])
    if len(results) != len(values):
        raise Failure(f"the host gave {len(results)} results for {len(values)} values")
    return [result.decode() for result in results]
