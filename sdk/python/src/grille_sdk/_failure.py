"""How a plugin says that something is wrong: with its settings, or with its work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class Failure(Exception):
    """The plugin cannot do its work. Raise it; the host then fails closed.

    The client never sees the message, the operator does: it must not repeat cell contents.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is wrong with the settings."""

    pointer: str
    """An RFC 6901 pointer into the settings (`/deny/objects/0`); empty for the whole."""
    message: str
    """One sentence for the operator."""

    def __str__(self) -> str:
        return f"settings{self.pointer}: {self.message}"

    def under(self, pointer: str) -> Diagnostic:
        """The same, seen from further out."""
        return Diagnostic(pointer + self.pointer, self.message)


class SettingsError(Exception):
    """Everything that is wrong with the settings. Raise it while the plugin is made or a settings class is filled.

    Raised in a nested settings class's `__post_init__`, its pointers count from there.
    """

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(map(str, diagnostics)))
        self.diagnostics = diagnostics

    @staticmethod
    def raise_any(diagnostics: Iterable[Diagnostic]) -> None:
        """Raises if there is one."""
        found = tuple(diagnostics)
        if found:
            raise SettingsError(*found)
