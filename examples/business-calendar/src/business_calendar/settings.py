"""What the operator may set: data and its checks. `settings.schema.json` says the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from grille_sdk import Diagnostic, SettingsError


class Weekday(Enum):
    """A day of the week, in the order of `date.weekday()`."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Some hours of a day, the last minute not included."""

    open: str
    close: str

    def __post_init__(self) -> None:
        # Written alike, times of day sort as texts do.
        if not _is_time(self.open) or not (_is_time(self.close) or self.close == "24:00"):
            raise ValueError("write times as 09:00, the end of the day as 24:00")
        if self.open >= self.close:
            raise ValueError("closes before it opens: split what goes past midnight in two")

    def __str__(self) -> str:
        return f"{self.open} to {self.close}"


@dataclass(frozen=True, kw_only=True)
class HolidaySettings:
    """Days without business hours."""

    country: str = ""
    subdivision: str = ""
    dates: tuple[date, ...] = ()
    ics: str = ""

    def __post_init__(self) -> None:
        if self.subdivision and not self.country:
            raise SettingsError(Diagnostic("/subdivision", "a subdivision needs its country"))


@dataclass(frozen=True, kw_only=True)
class ApprovalSettings:
    """What an approver is asked."""

    approvers: tuple[str, ...] = ()
    ttl_s: int = 3600

    def __post_init__(self) -> None:
        if self.ttl_s < 1:
            raise SettingsError(Diagnostic("/ttl_s", "no time to approve anything"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The plugin's settings."""

    time_zone: str = "UTC"
    weekdays: tuple[Weekday, ...] = (Weekday.MON, Weekday.TUE, Weekday.WED, Weekday.THU, Weekday.FRI)
    hours: tuple[Span, ...] = field(default_factory=lambda: (Span(open="09:00", close="17:00"),))
    holidays: HolidaySettings = field(default_factory=HolidaySettings)
    unrestricted_effects: tuple[str, ...] = ("read", "transaction", "session")
    approval: ApprovalSettings = field(default_factory=ApprovalSettings)


def _is_time(text: str) -> bool:
    hour, _, minute = text.partition(":")
    two_digits = all(len(part) == 2 and part.isascii() and part.isdigit() for part in (hour, minute))
    return two_digits and hour < "24" and minute < "60"
