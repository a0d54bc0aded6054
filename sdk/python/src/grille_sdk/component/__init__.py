"""What ties a plugin to the interface: the only place that knows the generated bindings.

It is imported while a component is built and inside it, never by tests, and nothing here is for a plugin's author.
`grille_sdk.component.policy`, `.detector` and `.masker` each have an `export` that makes the classes the bindings look for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, Generic, Protocol, TypeVar

from componentize_py_types import Err
from wit_world.imports import types

from .. import _host, _sandbox
from .._exchange import Attribute, Exchange, Field
from .._failure import Diagnostic, Failure, SettingsError
from .._plugin import Plugin, configure_json

T = TypeVar("T")


class HasBegin(Protocol):
    """A policy, or the session of a detector or masker."""

    begin: Callable[..., None]


class Slot(Generic[T]):
    """Keeps what `configure` made. An instance is one plugin, configured once, and has one thread."""

    def __init__(self, plugin_type: type[Plugin[Any]], wrap: Callable[[Any], T]) -> None:
        self._plugin_type = plugin_type
        self._wrap = wrap
        self._content: T | None = None

    def configure(self, settings_json: str) -> None:
        """The interface's `configure`."""
        try:
            with _sandbox.watched(Failure):
                self._content = self._wrap(configure_json(self._plugin_type, settings_json))
        except SettingsError as error:
            raise Err([_diagnostic(one) for one in error.diagnostics]) from None
        except Failure as failure:
            raise Err([_diagnostic(Diagnostic("", failure.message))]) from None
        except Exception as error:
            raise Err([_diagnostic(Diagnostic("", place_of(error)))]) from None

    def content(self) -> T:
        """What `configure` made; a failure if it made nothing."""
        if self._content is None:
            raise Failure("called before configure")
        return self._content


@contextmanager
def failing_closed() -> Iterator[None]:
    """Whatever is raised becomes a failure of the interface.

    A trap would close as well, but tell the operator nothing. Of unforeseen exceptions only kind and place are told: their
    message may repeat what the plugin was given.
    """
    try:
        with _sandbox.watched(Failure):
            yield
    except Failure as failure:
        raise Err(types.Failure(failure.message)) from None
    except Exception as error:
        raise Err(types.Failure(place_of(error))) from None


def place_of(error: Exception) -> str:
    """`ValueError at plugin.py:12`."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return f"{type(error).__name__} at {PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _diagnostic(diagnostic: Diagnostic) -> types.Diagnostic:
    return types.Diagnostic(diagnostic.pointer, diagnostic.message)


def exchange(ctx: types.Exchange) -> Exchange:
    """From the interface's record."""
    return Exchange(
        id=ctx.id,
        protocol=ctx.protocol,
        principal=ctx.principal,
        principal_kind=ctx.principal_kind,
        groups=tuple(ctx.groups),
        role=ctx.role,
        upstream=ctx.upstream,
        target=ctx.target,
        client=ctx.client,
        attributes=attributes(ctx.attributes),
    )


def fields(given: Sequence[types.Field]) -> tuple[Field, ...]:
    """From the interface's records."""
    return tuple(Field(name=one.name, origin=one.origin, kind=one.kind) for one in given)


def attributes(given: Sequence[types.Attribute]) -> tuple[Attribute, ...]:
    """From the interface's records."""
    return tuple(Attribute(one.key, one.value) for one in given)


def wit_attributes(given: Sequence[Attribute]) -> list[types.Attribute]:
    """To the interface's records."""
    return [types.Attribute(one.key, one.value) for one in given]


@contextmanager
def _host_failures() -> Iterator[None]:
    """A failure that the host reports is one of the plugin's, unless it handles it."""
    try:
        yield
    except Err as error:
        raise Failure(error.value.message) from None


class _State:
    def __init__(self, imported: Any) -> None:
        self._imported = imported

    def get(self, key: str) -> bytes | None:
        with _host_failures():
            return self._imported.get(key)  # type: ignore[no-any-return]

    def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        with _host_failures():
            self._imported.set(key, value, ttl_ms)

    def add(self, key: str, delta: int, window_ms: int) -> int:
        with _host_failures():
            return self._imported.add(key, delta, window_ms)  # type: ignore[no-any-return]


class _Egress:
    def __init__(self, imported: Any) -> None:
        self._imported = imported

    def fetch(
        self, method: str, url: str, headers: Sequence[Attribute], body: bytes
    ) -> tuple[int, Sequence[Attribute], bytes]:
        with _host_failures():
            reply = self._imported.fetch(method, url, wit_attributes(headers), body)
        return reply.status, attributes(reply.headers), reply.body


class _Keyed:
    def __init__(self, imported: Any) -> None:
        self._imported = imported

    def transform(self, method: str, domain: str, values: Sequence[bytes]) -> Sequence[bytes]:
        offsets = [0]
        for value in values:
            offsets.append(offsets[-1] + len(value))
        with _host_failures():
            made = self._imported.transform(method, domain, self._imported.Values(offsets, b"".join(values)))
        return [made.data[start:end] for start, end in zip(made.offsets, made.offsets[1:], strict=False)]


def grant_imports() -> None:
    """Puts the imports that this component's world has behind the capability modules."""
    host = _host.Host()
    host.log = _imported("log", lambda module: module)
    host.clock = _imported("clock", lambda module: module)
    host.state = _imported("state", _State)
    host.egress = _imported("egress", _Egress)
    host.keyed = _imported("keyed", _Keyed)
    _host.grant(host)


def _imported(name: str, wrap: Callable[[Any], Any]) -> Any:
    try:
        return wrap(importlib.import_module(f"wit_world.imports.{name}"))
    except ModuleNotFoundError as error:
        if error.name != f"wit_world.imports.{name}":
            raise
        return None
