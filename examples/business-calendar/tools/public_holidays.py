"""Writes the table of public holidays that the plugin carries; run it to add a country or a year.

    pip install holidays==0.109
    python tools/public_holidays.py > src/business_calendar/public_holidays.json

The package itself stays out of the component, where its tables and the memory that reading them took would be 24 MB.
"""

from __future__ import annotations

import json

import holidays

COUNTRIES = ("AT", "CH", "DE", "FR", "GB", "IE", "NL", "PL", "SE", "US")
YEARS = range(2026, 2036)

Days = dict[str, str]
"""Names by date in ISO 8601."""


def work_out() -> dict[str, object]:
    """The table: for each country its own days, and what each subdivision has instead or besides."""
    return {
        "first_year": YEARS.start,
        "last_year": YEARS.stop - 1,
        "countries": {
            country: {"days": _days(country), "subdivisions": _by_subdivision(country)} for country in COUNTRIES
        },
    }


def _by_subdivision(country: str) -> dict[str, dict[str, object]]:
    everywhere = _days(country)
    table: dict[str, dict[str, object]] = {}
    for subdivision in sorted(holidays.country_holidays(country).subdivisions):
        days = _days(country, subdivision)
        more = {day: name for day, name in days.items() if everywhere.get(day) != name}
        table[subdivision] = {"more": more, "less": sorted(set(everywhere) - set(days))}
    return table


def _days(country: str, subdivision: str | None = None) -> Days:
    # English where there is a translation, as the reasons it is put into are.
    found = holidays.country_holidays(country, subdiv=subdivision, years=YEARS, language="en_US")
    return {day.isoformat(): name for day, name in sorted(found.items())}


if __name__ == "__main__":
    print(json.dumps(work_out(), ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"'))
