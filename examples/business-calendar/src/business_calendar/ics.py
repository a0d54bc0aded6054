"""Days of the events in a calendar in iCalendar format (RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

import icalendar
from dateutil.rrule import rrule, rrulestr

_DAY = timedelta(days=1)

NAME_CHARACTERS_MAX = 80
"""What is kept of an event's name, which becomes part of a sentence."""

# A rule that fires every second could keep a statement waiting until the plugin's deadline.
_FREQUENCIES = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}


@dataclass(frozen=True)
class Event:
    """An event by its days: an event of some hours counts for every day it touches."""

    name: str
    first: date
    last: date
    rule: rrule | None
    """When it happens again, as midnights without a zone."""
    exceptions: frozenset[date]

    def covers(self, day: date) -> bool:
        """Whether the event, or a repetition of it, is on that day."""
        if self.rule is None:
            return self.first <= day <= self.last
        length = self.last - self.first
        begun = self.rule.between(_midnight(day - length), _midnight(day), inc=True)
        return any(one.date() not in self.exceptions for one in begun)


def read_events(text: str, zone: tzinfo) -> list[Event]:
    """The calendar's events, cancelled ones left out; `ValueError` for what is no calendar or not understood.

    To ignore what is not understood would be to take a holiday for a business day.
    """
    # With one line more, for a single line would be taken for the name of a file.
    calendar = icalendar.Calendar.from_ical(f"{text}\n")
    events = [event for event in calendar.walk("VEVENT") if event.get("STATUS") != "CANCELLED"]
    return [_event(event, zone) for event in events]


def _event(event: Any, zone: tzinfo) -> Event:
    name = str(event.get("SUMMARY", "an event")).strip()[:NAME_CHARACTERS_MAX]
    for unknown in ("RDATE", "RECURRENCE-ID", "EXRULE"):
        if unknown in event:
            raise ValueError(f"{name}: {unknown} is not understood; write those days as events of their own")
    start, end = event.start, event.end
    first = _day(start, zone)
    # The end is the first moment after the event; an event without length still has its day.
    last = max(first, _day(end - (timedelta(microseconds=1) if isinstance(end, datetime) else _DAY), zone))
    return Event(name, first, last, _rule(event, name, first, zone), frozenset(_exceptions(event, zone)))


def _rule(event: Any, name: str, first: date, zone: tzinfo) -> rrule | None:
    given = event.get("RRULE")
    if given is None:
        return None
    if isinstance(given, list) or not _FREQUENCIES.issuperset(given["FREQ"]):
        raise ValueError(f"{name}: one RRULE, with a FREQ from DAILY to YEARLY")
    parts = given.copy()
    # Days have no zone, so the end of the rule must not have one either; and reading a date, dateutil asks for today's.
    until = [_midnight(_day(one, zone)) for one in parts.pop("UNTIL", [])]
    rule = rrulestr(parts.to_ical().decode(), dtstart=_midnight(first))
    assert isinstance(rule, rrule), "one RRULE is one rule"
    return rule.replace(until=until[0]) if until else rule


def _exceptions(event: Any, zone: tzinfo) -> Iterable[date]:
    given = event.get("EXDATE", [])
    for entry in given if isinstance(given, list) else [given]:
        for one in entry.dts:
            yield _day(one.dt, zone)


def _day(when: date, zone: tzinfo) -> date:
    if not isinstance(when, datetime):
        return when
    return (when.astimezone(zone) if when.tzinfo else when).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)
