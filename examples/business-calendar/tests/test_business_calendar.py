"""The policy, by settings and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from grille_sdk import Action, Approval, Decision, Hold, SettingsError
from grille_sdk.testing import FakeHost, Manifest, action, configure, decide

from business_calendar import OutOfHoursApproval
from business_calendar.public_holidays import YEARS, public_holidays

UPDATE = action("update", ["read", "update"], [("relation", "orders", "update")])

BERLIN: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "hours": [{"open": "09:00", "close": "12:30"}, {"open": "13:30", "close": "18:00"}],
}

ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//holidays//EN
BEGIN:VEVENT
UID:1@example.com
DTSTAMP:20260101T000000Z
SUMMARY:Company holidays
DTSTART;VALUE=DATE:20261228
DTEND;VALUE=DATE:20270101
END:VEVENT
BEGIN:VEVENT
UID:2@example.com
DTSTAMP:20260101T000000Z
SUMMARY:Founders' day
DTSTART;VALUE=DATE:20200504
RRULE:FREQ=YEARLY;UNTIL=20290601T000000Z
EXDATE;VALUE=DATE:20280504
END:VEVENT
BEGIN:VEVENT
UID:3@example.com
DTSTAMP:20260101T000000Z
SUMMARY:Stock-taking
DTSTART;TZID=Europe/Berlin:20261130T220000
DTEND;TZID=Europe/Berlin:20261201T060000
END:VEVENT
BEGIN:VEVENT
UID:4@example.com
DTSTAMP:20260101T000000Z
SUMMARY:Called off
STATUS:CANCELLED
DTSTART;VALUE=DATE:20261124
END:VEVENT
END:VCALENDAR
"""


def word(settings: dict[str, Any], now: str, what: Action = UPDATE) -> str | None:
    """The reason for which it is held at that time (in UTC unless it says otherwise); `None` if it is allowed."""
    policy = configure(OutOfHoursApproval, settings)
    when = datetime.fromisoformat(now)
    with FakeHost("clock", now=when if when.tzinfo else when.replace(tzinfo=UTC)):
        decision = decide(policy, what)
    match decision:
        case Decision(Hold(approval)):
            return approval.reason
    assert decision == Decision.allow()
    return None


def test_plugin_toml_says_the_truth() -> None:
    Manifest.read(Path(__file__).parent.parent / "plugin.toml").check_policy(OutOfHoursApproval)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-23T08:59:59", "UPDATE at 08:59, outside business hours (09:00 to 17:00 UTC), needs approval"),
        ("2026-11-23T09:00", None),
        ("2026-11-23T16:59:59", None),
        ("2026-11-23T17:00", "UPDATE at 17:00, outside business hours (09:00 to 17:00 UTC), needs approval"),
        ("2026-11-22T12:00", "UPDATE on a Sunday needs approval"),
    ],
)
def test_business_hours_begin_and_end(now: str, expected: str | None) -> None:
    assert word({}, now) == expected


def test_reading_asks_nobody_not_even_the_clock() -> None:
    policy = configure(OutOfHoursApproval)
    assert decide(policy, action("select", ["read"])) == Decision.allow()


def test_what_this_version_does_not_know_needs_approval() -> None:
    odd = action("teleport", ["read", "teleport"])
    assert word({}, "2026-11-22T12:00", odd) == "TELEPORT on a Sunday needs approval"
    assert word({"unrestricted_effects": ["read", "teleport"]}, "2026-11-22T12:00", odd) is None


def test_the_zone_has_summer_time_and_a_lunch_break() -> None:
    check = {
        "2026-11-23T08:00": True,
        "2026-11-23T07:59": False,
        "2026-07-20T07:00": True,
        "2026-07-20T06:59": False,
        "2026-07-20T16:00": False,
        "2026-11-23T12:00+00:00": False,
        "2026-11-23T13:29+01:00": False,
        "2026-11-23T13:30+01:00": True,
    }
    assert {now: word(BERLIN, now) is None for now in check} == check


def test_the_day_is_that_of_the_zone() -> None:
    settings = {"time_zone": "Pacific/Auckland", "hours": [{"open": "00:00", "close": "24:00"}]}
    assert word(settings, "2026-11-22T11:30") is None, "Monday 00:30 there"
    assert word(settings, "2026-11-22T10:30") == "UPDATE on a Sunday needs approval"


def test_public_holidays_are_those_of_the_place() -> None:
    def settings(**holidays: str) -> dict[str, Any]:
        return {"holidays": holidays}

    christmas, corpus_christi = "2026-12-25T12:00", "2026-06-04T12:00"
    assert word(settings(), christmas) is None
    expected = "UPDATE on a holiday (Christmas Day, 2026-12-25) needs approval"
    assert word(settings(country="DE"), christmas) == expected
    assert word(settings(country="DE"), corpus_christi) is None
    assert word(settings(country="DE", subdivision="BE"), corpus_christi) is None
    assert "Corpus Christi" in str(word(settings(country="DE", subdivision="BY"), corpus_christi))


def test_a_year_without_known_holidays_has_no_business_hours() -> None:
    after = f"{YEARS.stop}-06-04T12:00"
    assert f"the holidays of {YEARS.stop} are not known" in str(word({"holidays": {"country": "DE"}}, after))
    while datetime.fromisoformat(after).weekday() > 4:
        after = f"{datetime.fromisoformat(after) + timedelta(days=1):%Y-%m-%dT%H:%M}"
    assert word({"holidays": {"dates": ["2026-12-24"]}}, after) is None


def test_the_table_is_what_the_package_says() -> None:
    holidays = pytest.importorskip("holidays")
    for country, subdivision in (("DE", ""), ("DE", "BY"), ("US", "TX"), ("GB", "SCT")):
        expected = holidays.country_holidays(country, subdiv=subdivision or None, years=YEARS, language="en_US")
        assert public_holidays(country, subdivision) == dict(expected), f"{country} {subdivision}"


def test_single_days_can_be_closed() -> None:
    settings = {"holidays": {"dates": ["2026-12-24"]}}
    assert word(settings, "2026-12-24T12:00") == "UPDATE on a holiday (closed, 2026-12-24) needs approval"
    assert word(settings, "2026-12-23T12:00") is None


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-12-25", None),
        ("2026-12-28", "Company holidays"),
        ("2026-12-31", "Company holidays"),
        ("2027-01-01", None),
        ("2026-05-04", "Founders' day"),
        ("2027-05-04", "Founders' day"),
        ("2028-05-04", None),
        ("2029-05-04", "Founders' day"),
        ("2030-05-06", None),
        ("2026-11-30", "Stock-taking"),
        ("2026-12-01", "Stock-taking"),
        ("2026-12-02", None),
        ("2026-11-24", None),
    ],
)
def test_days_of_a_calendar_are_closed(day: str, expected: str | None) -> None:
    reason = word({"holidays": {"ics": ICS}}, f"{day}T12:00")
    assert reason == (expected and f"UPDATE on a holiday ({expected}, {day}) needs approval")


def test_a_hold_says_who_may_approve_and_how_long_it_stands() -> None:
    policy = configure(OutOfHoursApproval, {"approval": {"approvers": ["dba"], "ttl_s": 90}})
    with FakeHost("clock", now=datetime(2026, 11, 21, tzinfo=UTC)):
        decision = decide(policy, UPDATE)
    expected = Approval("UPDATE on a Saturday needs approval", ("dba",), timedelta(seconds=90))
    assert decision == Decision.hold(expected)


@pytest.mark.parametrize(
    ("settings", "pointer", "message"),
    [
        ({"time_zone": "Berlin"}, "/time_zone", "there is no time zone `Berlin`"),
        ({"weekdays": ["mon", "friday"]}, "/weekdays/1", "must be one of: mon, tue"),
        ({"hours": [{"open": "09:00", "close": "9:30"}]}, "/hours/0", "write times as 09:00"),
        ({"hours": [{"open": "22:00", "close": "06:00"}]}, "/hours/0", "past midnight"),
        ({"hours": [{"open": "22:00"}]}, "/hours/0", "`close` is missing"),
        ({"holidays": {"country": "XX"}}, "/holidays", "knows no holidays of `XX`"),
        ({"holidays": {"country": "GB", "subdivision": "YY"}}, "/holidays", "only ENG, NIR, SCT, WLS"),
        ({"holidays": {"subdivision": "BY"}}, "/holidays/subdivision", "needs its country"),
        ({"holidays": {"dates": ["24.12."]}}, "/holidays/dates/0", "a date such as"),
        ({"holidays": {"ics": "BEGIN:VEVENT"}}, "/holidays/ics", ""),
        ({"holidays": {"ics": ICS.replace("YEARLY", "SECONDLY")}}, "/holidays/ics", "FREQ from DAILY"),
        ({"holidays": {"ics": ICS.replace("EXDATE", "RDATE")}}, "/holidays/ics", "RDATE is not understood"),
        ({"approval": {"ttl_s": 0}}, "/approval/ttl_s", "no time"),
        ({"holiday": {}}, "", "unknown key `holiday`"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], pointer: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        configure(OutOfHoursApproval, settings)
    assert error.value.diagnostics[0].pointer == pointer
    assert message in error.value.diagnostics[0].message


README = {
    "time_zone": "Europe/Berlin",
    "hours": [{"open": "09:00", "close": "12:30"}, {"open": "13:30", "close": "18:00"}],
    "holidays": {"country": "DE", "subdivision": "BY", "dates": ["2026-12-24", "2026-12-31"], "ics": ICS},
}


@pytest.mark.parametrize(
    ("now", "kind", "effect", "expected"),
    [
        ("2026-11-23T10:00+01:00", "update", "update", None),
        (
            "2026-11-23T13:00+01:00",
            "update",
            "update",
            "UPDATE at 13:00, outside business hours (09:00 to 12:30, 13:30 to 18:00 Europe/Berlin), needs approval",
        ),
        ("2026-11-23T13:00+01:00", "select", "read", None),
        ("2026-11-21T10:00+01:00", "drop table", "define", "DROP TABLE on a Saturday needs approval"),
        (
            "2026-06-04T10:00+02:00",
            "update",
            "update",
            "UPDATE on a holiday (Corpus Christi, 2026-06-04) needs approval",
        ),
        (
            "2026-05-04T10:00+02:00",
            "update",
            "update",
            "UPDATE on a holiday (Founders' day, 2026-05-04) needs approval",
        ),
    ],
)
def test_the_readme_says_the_truth(now: str, kind: str, effect: str, expected: str | None) -> None:
    assert word(README, now, action(kind, [effect])) == expected
