"""What a component does not have, as far as Python lets itself be watched: files above all, and so no late imports.

In a component it says what is wrong, where there would only be a trap. In tests it says so before there is a component: there
are files then, and the first to miss them would be a client.
"""

from __future__ import annotations

# datetime.strptime() imports it when it is first called.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import Any

_MISSING = {
    "open": "opens a file while it works; read it at the top of a file, which runs when the component is built",
    "os.listdir": "lists a folder while it works; a component has no files",
    "os.scandir": "lists a folder while it works; a component has no files",
    "socket.__new__": "opens a connection; use the capability egress",
    "socket.getaddrinfo": "looks up a name; use the capability egress",
    "subprocess.Popen": "starts a process; a component has none",
}

# What to raise; nothing while nothing is watched.
_error: type[Exception] | None = None
_is_hooked = False


@contextmanager
def watched(error: type[Exception]) -> Iterator[None]:
    """Within it, whatever is in the list above raises `error` with a sentence."""
    global _error
    _hook()
    before, _error = _error, error
    try:
        yield
    finally:
        _error = before


def _hook() -> None:
    """When it is first needed. The hook cannot be taken away again, and the finder does no harm."""
    global _is_hooked
    if not _is_hooked:
        _is_hooked = True
        sys.addaudithook(_audit)
        # importlib.import_module() tells no audit hook, but all that is not imported yet is looked for here.
        sys.meta_path.insert(0, _NoLateImports())


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _error is not None and event in _MISSING:
        raise _error(f"the plugin {_MISSING[event]}")


class _NoLateImports(MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if _error is not None:
            raise _error(
                f"the plugin imports `{fullname}` while it works; "
                "import it at the top of a file, which runs when the component is built"
            )
