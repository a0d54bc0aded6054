"""When business hours are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import TypeVar

from grille_sdk import Diagnostic, SettingsError

from .ics import Event, read_events
from .public_holidays import YEARS, public_holidays
from .settings import HolidaySettings, Settings, Weekday
from .zones import zone

T = TypeVar("T")


class Holidays:
    """Days without business hours, from all the sources that the settings name."""

    def __init__(self, public: Mapping[date, str] | None, dates: frozenset[date], events: list[Event]) -> None:
        self._public = public
        self._dates = dates
        self._events = events

    def name(self, day: date) -> str | None:
        """What makes the day one, if it is one."""
        if self._public is not None and day.year not in YEARS:
            return f"the holidays of {day.year} are not known"
        if self._public and day in self._public:
            return self._public[day]
        if day in self._dates:
            return "closed"
        return next((event.name for event in self._events if event.covers(day)), None)


class BusinessCalendar:
    """Business hours by the settings; `SettingsError` says everything that is wrong with them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._weekdays = frozenset(list(Weekday).index(day) for day in settings.weekdays)
        self._zone = _read("/time_zone", lambda: zone(settings.time_zone))
        self._holidays = self._read_holidays(settings.holidays)

    def _read_holidays(self, settings: HolidaySettings) -> Holidays:
        public = None
        if settings.country:
            public = _read("/holidays", lambda: public_holidays(settings.country, settings.subdivision))
        events = _read("/holidays/ics", lambda: read_events(settings.ics, self._zone)) if settings.ics else []
        return Holidays(public, frozenset(settings.dates), events)

    def why_closed(self, now: datetime) -> str | None:
        """Why it is no business hour, as part of a sentence; `None` if it is one."""
        local = now.astimezone(self._zone)
        holiday = self._holidays.name(local.date())
        if holiday is not None:
            return f"on a holiday ({holiday}, {local:%Y-%m-%d})"
        if local.weekday() not in self._weekdays:
            return f"on a {local:%A}"
        clock = f"{local:%H:%M}"
        if any(span.open <= clock < span.close for span in self._settings.hours):
            return None
        hours = ", ".join(map(str, self._settings.hours))
        return f"at {clock}, outside business hours ({hours} {self._settings.time_zone}),"


def _read(pointer: str, work: Callable[[], T]) -> T:
    """What is wrong with the value there is the operator's to know."""
    try:
        return work()
    except ValueError as error:
        raise SettingsError(Diagnostic(pointer, str(error))) from None
