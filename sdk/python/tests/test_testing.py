"""The harness: what the host would reject fails a test, and fakes do what the host does."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from grille_sdk import (
    Action,
    Approval,
    Attribute,
    Cell,
    Decision,
    Deny,
    Detector,
    Exchange,
    Failure,
    Finding,
    Findings,
    NotGranted,
    Policy,
    Support,
    clock,
    detector,
    egress,
    log,
    masker,
    policy,
    state,
)
from grille_sdk.testing import FakeHost, Gate, Manifest, action, configure, decide, inspect
from grille_sdk.testing import _checks as checks

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Inner:
    name: str


@dataclass(frozen=True)
class Settings:
    label: int = 0
    inners: tuple[Inner, ...] = field(default=())


@detector
def second(settings: Settings, cell: Cell, found: Findings) -> None:
    """Says that the second character of every text is sensitive."""
    found.add(settings.label, (1, 2), 1)


class Counting(Policy[Settings]):
    """Allows twice, by what it remembers itself: which must not work."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.count = 0

    def decide(self, action: Action) -> Decision:
        self.count += 1
        return Decision.allow() if self.count < 3 else Decision.deny("enough")


class Hasty(Policy[Settings]):
    """Looks at the clock while it is made."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        log.write(log.Level.INFO, "this is fine")
        clock.now()

    def decide(self, action: Action) -> Decision:
        return Decision.allow()


@policy
def limited(settings: Settings, exchange: Exchange, action: Action) -> Decision:
    """Three statements an hour."""
    count = state.add(exchange.principal, 1, timedelta(hours=1))
    return Decision.allow() if count <= 3 else Decision.deny("three statements an hour are enough")


def test_a_finding_is_shown_with_its_text_and_bytes() -> None:
    found = inspect(configure(second), "aéb")[0]
    assert (found.text, found.start, found.end) == ("é", 1, 3)


def test_a_finding_beyond_the_text_fails_the_test() -> None:
    with pytest.raises(ValueError, match="is not a part"):
        inspect(configure(second), "a")


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (Finding(0, 0, 0, 0, 1, Support.NONE), "empty"),
        (Finding(0, 0, 9, 0, 1, Support.NONE), "outside"),
        (Finding(0, 0, 1, 0, 1, Support.NONE), "inside a character"),
        (Finding(0, 1, 2, 0, 1, Support.NONE), "inside a character"),
        (Finding(0, 0, 2, 0, 1001, Support.NONE), "score"),
        (Finding(0, 0, 2, 0, 1, Support(8)), "reserved"),
    ],
)
def test_what_the_host_would_reject_of_findings_is_rejected(finding: Finding, expected: str) -> None:
    with pytest.raises(AssertionError, match=expected):
        checks.finding(finding, "éa")


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (None, "answers with a Decision"),
        (Decision("allow"), "is no verdict"),  # type: ignore[arg-type]
        (Decision.deny(" "), "cannot be empty"),
        (Decision.deny("x" * 501), "is cut"),
        (Decision.hold(Approval("why", stands_for=timedelta(0))), "nobody can approve"),
        (Decision.hold(Approval("why", "dba")), "a tuple"),  # type: ignore[arg-type]
        (Decision.rewrite(""), "empty statement"),
        (Decision.allow().with_row_cap(-1), "no number of rows"),
        (Decision.allow().with_mask("ssn", "null"), "schema.table.column"),
        (Decision.allow().with_mask("public.users.ssn", "keep-last:17"), "keep-last:N"),
        (Decision.allow().with_mask("public.users.ssn", "plugin:x"), "keep-last:N"),
        (Decision(Deny("no"), (Attribute("colour", "red"),)), "no obligation"),
    ],
)
def test_what_the_host_would_deny_of_decisions_is_rejected(decision: Decision, expected: str) -> None:
    with pytest.raises(AssertionError, match=expected):
        checks.decision(decision)


def test_every_exchange_has_an_instance_of_its_own() -> None:
    configured = configure(Counting)
    assert {decide(configured, Action()) for _ in range(5)} == {Decision.allow()}


def test_only_the_log_may_be_used_while_a_plugin_is_made() -> None:
    with FakeHost("log", "clock") as host:
        with pytest.raises(AssertionError, match="only the log"):
            configure(Hasty)
        assert host.messages == [(log.Level.INFO, "this is fine")]
        assert clock.now() == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_capability_that_was_not_granted_fails() -> None:
    with pytest.raises(NotGranted, match="uses `clock`"):
        clock.now()
    with FakeHost("log"), pytest.raises(NotGranted, match="uses `state`"):
        state.get("k")
    with pytest.raises(ValueError, match="no such capability: clok"):
        FakeHost("clok")


def test_the_clock_shows_what_the_test_says() -> None:
    with FakeHost("clock", now=NOON) as host:
        assert clock.now() == NOON
        host.now += timedelta(milliseconds=1)
        assert clock.now() == NOON + timedelta(milliseconds=1)
        with FakeHost("clock"):
            assert clock.now().year == 1970
        assert clock.now().year == 2026


def test_counters_begin_anew_after_their_window() -> None:
    configured = configure(limited)
    with FakeHost("state", now=NOON) as host:
        verdicts = []
        for _ in range(5):
            verdicts.append(decide(configured, Action()) == Decision.allow())
            host.now += timedelta(minutes=14)
        assert verdicts == [True, True, True, False, False]
        assert decide(configured, Action()) == Decision.allow()
        assert decide(configured, Action(), exchange=Exchange(principal="other")) == Decision.allow()


def test_values_are_forgotten() -> None:
    with FakeHost("state", now=NOON) as host:
        assert state.get("k") is None
        state.set("k", b"v", timedelta(seconds=2))
        host.now += timedelta(seconds=1)
        assert state.get("k") == b"v"
        host.now += timedelta(seconds=1)
        assert state.get("k") is None
        with pytest.raises(ValueError, match="a day"):
            state.set("k", b"v", timedelta(days=2))


def test_requests_get_the_answers_that_the_test_wrote() -> None:
    replies = {
        "https://a.example.com/": egress.Reply(200, (Attribute("Content-Type", "text/plain"),), b"a"),
        "https://b.example.com/": Failure("timed out"),
        "https://c.example.com/": lambda method, url, headers, body: egress.Reply(
            201, (), body + headers["x"].encode()
        ),
    }
    with FakeHost("egress", replies=replies) as host:
        reply = egress.fetch("GET", "https://a.example.com/")
        assert (reply.status, reply.body, reply.header("content-type")) == (200, b"a", "text/plain")
        with pytest.raises(Failure, match="timed out"):
            egress.fetch("GET", "https://b.example.com/")
        assert egress.fetch("POST", "https://c.example.com/", {"x": "y"}, b"b").body == b"by"
        with pytest.raises(Failure, match="not allowed"):
            egress.fetch("GET", "https://d.example.com/")
        with pytest.raises(AssertionError, match="begin with https"):
            egress.fetch("GET", "http://a.example.com/")
        assert len(host.requests) == 4


@pytest.mark.parametrize(
    ("gate", "text", "expected"),
    [
        (Gate(), "", True),
        (Gate(bytes_min=3), "é", False),
        (Gate(bytes_min=3), "éa", True),
        (Gate(digits_min=2, letters_min=1), "12", False),
        (Gate(digits_min=2, letters_min=1), "1a2", True),
        (Gate(letters_min=1), "é", False),
        (Gate(digits_min=1), "²", False),
        (Gate(any_of="@+"), "a+b", True),
        (Gate(any_of="@+"), "ab", False),
    ],
)
def test_a_gate_asks_for_all_its_conditions(gate: Gate, text: str, expected: bool) -> None:
    assert gate.passes(text) == expected


DETECTOR_TOML = """
[plugin]
id = "example/second"
settings = "settings.schema.json"
[[labels]]
name = "SECOND"
chance_pass = 1
gates = [{ bytes_min = 3 }]
[[vectors]]
text = "aé"
expect = [{ label = "SECOND", start = 1, end = 3 }]
"""
SCHEMA = """
{"type": "object", "additionalProperties": false, "properties": {
    "label": {"type": "integer"}, "inners": {"type": "array", "items": {"$ref": "#/$defs/inner"}}},
 "$defs": {"inner": {"type": "object", "additionalProperties": false, "required": ["name"],
    "properties": {"name": {"type": "string"}}}}}
"""


def manifest(folder: Path, toml: str = DETECTOR_TOML, schema: str = SCHEMA) -> Manifest:
    (folder / "plugin.toml").write_text(toml, encoding="utf-8")
    (folder / "settings.schema.json").write_text(schema, encoding="utf-8")
    return Manifest.read(folder / "plugin.toml")


def test_a_true_manifest_passes(tmp_path: Path) -> None:
    manifest(tmp_path).check_detector(second)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("end = 3", "end = 2", "found"),
        ("bytes_min = 3", "bytes_min = 4", "the gate of SECOND keeps back"),
        ("[[vectors]]", "[[victors]]", "no vectors"),
        ('text = "aé"', 'text = "aé"\ncolour = 1', "unknown key"),
        ("[[labels]]", "[[libels]]", "label 0 is not in plugin.toml"),
    ],
)
def test_a_manifest_that_is_not_true_fails(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(AssertionError, match=expected):
        manifest(tmp_path, DETECTOR_TOML.replace(old, new)).check_detector(second)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"label"', '"lable"', r"settings: the schema has \['inners', 'lable'\]"),
        ('"required": ["name"],', "", r"settings\.inners: the schema requires \[\]"),
        ('"additionalProperties": false, "required"', '"required"', "needs `additionalProperties`"),
    ],
)
def test_a_schema_that_differs_from_the_settings_fails(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(AssertionError, match=expected):
        manifest(tmp_path, schema=SCHEMA.replace(old, new)).check_detector(second)


POLICY_TOML = """
[plugin]
id = "example/limited"
settings = "settings.schema.json"
[[capabilities]]
name = "state"
reason = "to count"
[[vectors]]
kind = "select"
effects = ["read"]
objects = [{ kind = "relation", name = "t", access = "read" }]
expect = "allow"
"""


def test_a_policy_is_checked_with_its_capabilities(tmp_path: Path) -> None:
    manifest(tmp_path, POLICY_TOML).check_policy(limited)
    with pytest.raises(AssertionError, match="Allow"):
        manifest(tmp_path, POLICY_TOML.replace('"allow"', '"deny"')).check_policy(limited)
    with pytest.raises(NotGranted):
        manifest(tmp_path, POLICY_TOML.replace("[[capabilities]]", "[[abilities]]")).check_policy(limited)


CLOCK_TOML = """
[plugin]
id = "example/afternoons"
[[capabilities]]
name = "clock"
reason = "to know the hour"
[[vectors]]
at = "2026-11-23T10:00:00Z"
kind = "select"
expect = "deny"
[[vectors]]
at = "2026-11-23T12:00:00Z"
kind = "select"
expect = "allow"
"""


@dataclass(frozen=True)
class NoSettings:
    pass


@policy
def afternoons(settings: NoSettings, exchange: Exchange, action: Action) -> Decision:
    return Decision.allow() if clock.now().hour >= 12 else Decision.deny("in the afternoon")


def test_a_vector_says_what_the_clock_shows(tmp_path: Path) -> None:
    manifest(tmp_path, CLOCK_TOML).check_policy(afternoons)
    for wrong in ('"2026-11-23T10:00:00+01:00"', "2026-11-23T10:00:00Z"):
        with pytest.raises(AssertionError, match="is not like"):
            manifest(tmp_path, CLOCK_TOML.replace('"2026-11-23T10:00:00Z"', wrong)).check_policy(afternoons)


MASKER_TOML = """
[plugin]
id = "example/stars"
[[vectors]]
text = "é12"
expect = "***"
"""


@masker
def stars(settings: NoSettings, cell: Cell) -> str:
    return "*" * len(cell.text)


def test_a_masker_is_checked(tmp_path: Path) -> None:
    manifest(tmp_path, MASKER_TOML).check_masker(stars)
    with pytest.raises(AssertionError, match=r"'\*\*\*'"):
        manifest(tmp_path, MASKER_TOML.replace("***", "**")).check_masker(stars)


def test_kinds_are_not_confused() -> None:
    with pytest.raises(AssertionError, match="is no detector"):
        inspect(configure(Counting), "a")
    with pytest.raises(AssertionError, match="is no policy"):
        decide(configure(second), action("select"))
    assert issubclass(second, Detector)


@policy
def late(settings: Settings, exchange: Exchange, action: Action) -> Decision:
    """Does what a component cannot."""
    match action.kind:
        case "import":
            import colorsys  # noqa: F401
        case "open":
            Path(__file__).read_text(encoding="utf-8")
        case "list":
            list(Path(__file__).parent.iterdir())
        case "stat":
            Path(__file__).exists()
        case "now":
            datetime.now(UTC)
        case "today":
            date.today()
        case "time":
            time.time()
        case "uuid":
            uuid.uuid4()
        case "random":
            random.randint(1, 6)  # noqa: S311
        case "strptime":
            datetime.strptime("2026", "%Y").replace(tzinfo=UTC)
        case "seeded":
            random.Random(7).random()  # noqa: S311
    return Decision.allow()


def test_what_a_component_does_not_have_fails_the_test() -> None:
    configured = configure(late)
    for kind, expected in {
        "import": r"imports `colorsys`",
        "open": "opens a file",
        "list": "lists a folder",
        "stat": "looks for a file",
        "now": "asks for the time",
        "today": "asks for the time",
        "time": "asks for the time",
        "uuid": "asks for randomness",
        "random": "the same ones in every instance",
    }.items():
        with pytest.raises(AssertionError, match=expected):
            decide(configured, action(kind))
    for kind in ("select", "strptime", "seeded"):
        assert decide(configured, action(kind)) == Decision.allow()
    assert Path(__file__).read_text(encoding="utf-8"), "the test itself may"
    assert datetime.now(UTC) > NOON.replace(year=2020)
