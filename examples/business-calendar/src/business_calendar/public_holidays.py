"""Public holidays by country and subdivision, from the table that `tools/public_holidays.py` writes."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

# Read while the component is built: when it runs it has no files.
_TABLE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

YEARS = range(_TABLE["first_year"], _TABLE["last_year"] + 1)
"""Those that are known. After them nothing is a business day until somebody builds a newer version."""


def public_holidays(country: str, subdivision: str) -> dict[date, str]:
    """Their names by day, those of the whole country included; `ValueError` if the table does not know them."""
    countries = _TABLE["countries"]
    if country not in countries:
        raise ValueError(f"knows no holidays of `{country}`, only of {', '.join(countries)}")
    days = dict(countries[country]["days"])
    if subdivision:
        subdivisions = countries[country]["subdivisions"]
        if subdivision not in subdivisions:
            known = ", ".join(subdivisions) or "none"
            raise ValueError(f"knows no subdivision `{subdivision}` of {country}, only {known}")
        local = subdivisions[subdivision]
        days = {day: name for day, name in days.items() if day not in local["less"]} | local["more"]
    return {date.fromisoformat(day): name for day, name in days.items()}
