import assert from "node:assert/strict";
import { test } from "node:test";

import { Decision, detector, Failure, masker, policy } from "@grille/sdk";
import * as clock from "@grille/sdk/clock";
import * as egress from "@grille/sdk/egress";
import * as keyed from "@grille/sdk/keyed";
import * as log from "@grille/sdk/log";
import * as state from "@grille/sdk/state";
import * as testing from "@grille/sdk/testing";

const { FakeClock, FakeEgress, FakeKeyed, FakeLog, FakeState, Manifest, Rejected } = testing;

const DETECTOR = `
[plugin]
id = "acme/second"
version = "0.1.0"
world = "detector"
description = "Finds what stands second."

[[labels]]
name = "SECOND"
evidence = "alone"
chance_pass = 1.0
gates = [{ bytes_min = 3, digits_min = 1, any_of = "12" }]

[[vectors]]
text = "a1c"
expect = [{ label = "SECOND", start = 1, end = 2 }]
`;

function policyManifest(...capabilities: string[]) {
  const tables = capabilities.map((name) => `[[capabilities]]\nname = "${name}"\nreason = "a test"\n`);
  return Manifest.parse(`
    [plugin]
    id = "acme/test"
    version = "0.1.0"
    world = "policy"
    description = "Tests."
    ${tables.join("")}
  `);
}

const second = detector(({ label = 0 }: { label?: number }) => ({
  inspect: (_, out) => out.add(label, 1, 2, 1),
}));

test("a finding is shown with its text", () => {
  const manifest = Manifest.parse(DETECTOR);
  const [found] = testing.detector(second, {}, { manifest }).inspect("a€c");
  assert.deepEqual(found, { label: 0, labelName: "SECOND", start: 1, end: 4, text: "€", score: 1, support: 0 });
});

test("findings that the host would reject fail the test", () => {
  const manifest = Manifest.parse(DETECTOR);
  assert.throws(() => testing.detector(second, {}, { manifest }).inspect("a"), testing.PluginFailed);
  assert.throws(() => testing.detector(second, {}, { manifest }).inspect("a😀"), testing.PluginFailed);
  assert.throws(() => testing.detector(second, { label: 1 }, { manifest }).inspect("abc"), Rejected);
});

test("vectors are checked, gates too", () => {
  const check = (text: string) => testing.checkVectors(second, { manifest: Manifest.parse(text) });
  check(DETECTOR);
  assert.throws(() => check(DETECTOR.replace("a1c", "a9c")), /the gate of SECOND keeps back/);
  assert.throws(() => check(DETECTOR.replace("end = 2", "end = 3")), /vector/);
  assert.throws(() => check(DETECTOR.slice(0, DETECTOR.indexOf("[[vectors]]"))), /no vectors/);
});

test("a vector says what the clock shows", () => {
  const afternoons = policy(() => ({
    decide: () => (new Date(clock.nowMs()).getUTCHours() < 12 ? Decision.deny("in the afternoon") : Decision.allow()),
  }));
  const text = (at: string, expect: string) => `
    [plugin]
    id = "acme/afternoons"
    version = "0.1.0"
    world = "policy"
    description = "Tests."
    [[capabilities]]
    name = "clock"
    reason = "a test"
    [[vectors]]
    at = "${at}"
    kind = "select"
    expect = "${expect}"
  `;
  const check = (at: string, expect: string) =>
    testing.checkVectors(afternoons, { manifest: Manifest.parse(text(at, expect)) });
  check("2026-11-23T10:00:00Z", "deny");
  check("2026-11-23T12:00:00Z", "allow");
  assert.throws(() => check("2026-11-23T12:00:00Z", "deny"), /vector/);
  assert.throws(() => check("2026-11-23T12:00:00+01:00", "allow"), /must be like/);
});

test("a masker's vectors are checked", () => {
  const stars = masker(() => ({ mask: ({ text }) => text.replace(/./gu, "*") }));
  const text = (expect: string) => `
    [plugin]
    id = "acme/stars"
    version = "0.1.0"
    world = "masker"
    description = "Tests."
    [[vectors]]
    text = "é12"
    expect = "${expect}"
  `;
  testing.checkVectors(stars, { manifest: Manifest.parse(text("***")) });
  assert.throws(() => testing.checkVectors(stars, { manifest: Manifest.parse(text("**")) }), /vector/);
});

test("slips in plugin.toml are refused", () => {
  const check = (from: string, to: string, message: RegExp) =>
    assert.throws(() => Manifest.parse(DETECTOR.replace(from, to)), message);
  check("id =", "ib =", /plugin.id is missing/);
  check('"detector"', '"oracle"', /must be detector/);
  check('"detector"', '"policy"', /other plugins have none/);
  check("bytes_min", "byte_min", /labels\[0\]\.gates\[0\]\.byte_min is not known/);
  check("[[vectors]]", "[[vector]]", /vector is not known/);
  check("[[labels]]", '[[capabilities]]\nname = "log"\nreason = "x"\n[[labels]]', /cannot have the capability log/);
});

test("capabilities are what the test grants", () => {
  const fakes = { clock: new FakeClock("2026-11-23T09:00:00Z"), log: new FakeLog() };
  const manifest = policyManifest("clock", "log", "state");
  const counting = policy(() => ({
    decide() {
      log.write(log.Level.INFO, new Date(clock.nowMs()).toISOString());
      return state.add("n", 1, 1000) > 1 ? Decision.deny("twice in a second") : Decision.allow();
    },
  }));
  const grants = { ...fakes, state: new FakeState(fakes.clock) };
  const session = testing.policy(counting, {}, { manifest, grants });
  const kinds = [0, 500, 500].map((ms) => {
    fakes.clock.advance(ms);
    return session.decide(testing.action("select")).verdict.kind;
  });
  assert.deepEqual(kinds, ["allow", "deny", "allow"]);
  assert.deepEqual(fakes.log.messages[2], { level: 2, message: "2026-11-23T09:00:01.000Z" });
});

test("a capability that is not declared or not granted fails the test, even if the plugin catches it", () => {
  const careless = policy(() => ({
    decide() {
      try {
        clock.nowMs();
      } catch {
        // Carry on.
      }
      return Decision.allow();
    },
  }));
  const decide = (options: testing.Options) => testing.policy(careless, {}, options).decide(testing.action("select"));
  assert.throws(() => decide({ manifest: policyManifest() }), /not among the \[\[capabilities\]\]/);
  assert.throws(() => decide({ manifest: policyManifest("clock") }), /does not grant clock/);
  decide({ manifest: policyManifest("clock"), grants: { clock: new FakeClock(0) } });
  assert.throws(() => clock.nowMs(), /in a plugin only/);
});

test("configure is pure", () => {
  const eager = policy(() => {
    clock.nowMs();
    return { decide: () => Decision.allow() };
  });
  const options = { manifest: policyManifest("clock"), grants: { clock: new FakeClock(0) } };
  assert.throws(() => testing.policy(eager, {}, options), /not to be had in configure/);
});

test("the time and random numbers of the language are not to be had", () => {
  const decide = (use: () => unknown) =>
    testing.policy(policy(() => ({ decide: () => (use(), Decision.allow()) })), {}, { manifest: policyManifest() })
      .decide(testing.action("select"));
  for (const use of [() => Date.now(), () => new Date(), () => Date()]) {
    assert.throws(() => decide(use), /the time is a capability/);
  }
  assert.throws(() => decide(() => Math.random()), /random numbers/);
  decide(() => new Date(0).toISOString() + Date.parse("2026-11-23") + Math.max(1, 2));
  assert.ok(Date.now() > 0 && new Date() instanceof Date);
});

test("state keeps values for a while, and refusals of the host arrive as failures", () => {
  const clockFake = new FakeClock(0);
  const fake = new FakeState(clockFake);
  const remembering = policy(() => ({
    decide({ kind }) {
      if (kind === "insert") state.set("k", "é", 1000);
      return state.getText("k") === "é" ? Decision.deny("known") : Decision.allow();
    },
  }));
  const session = testing.policy(remembering, {}, { manifest: policyManifest("state"), grants: { state: fake } });
  const decide = (kind: string) => session.decide(testing.action(kind)).verdict.kind;
  assert.deepEqual([decide("select"), decide("insert"), decide("select")], ["allow", "deny", "deny"]);
  clockFake.advance(1000);
  assert.equal(decide("select"), "allow");
  fake.failWith("full");
  assert.throws(() => decide("select"), ({ cause }: Error) => cause instanceof Failure && cause.message === "full");
});

test("requests are answered and kept", () => {
  const asking = policy(() => ({
    decide(_, { principal }) {
      const reply = egress.fetch("https://calendar.example.com/duty", { method: "POST", body: principal });
      return reply.ok && reply.text() === "yes" ? Decision.allow() : Decision.deny(`not on duty (${reply.status})`);
    },
  }));
  const fake = new FakeEgress({ "https://calendar.example.com/duty": { body: "yes", headers: { "Content-Type": "text/plain" } } });
  const session = testing.policy(asking, {}, { manifest: policyManifest("egress"), grants: { egress: fake } });
  const { verdict } = session.decide(testing.action("select"), { exchange: { principal: "ada" } });
  assert.equal(verdict.kind, "allow");
  assert.deepEqual(fake.requests.map(({ method, body }) => [method, Buffer.from(body).toString()]), [["POST", "ada"]]);
  const lost = { egress: new FakeEgress({}) };
  const other = testing.policy(asking, {}, { manifest: policyManifest("egress"), grants: lost });
  assert.throws(() => other.decide(testing.action("select")), /calendar.example.com is not allowed/);
});

test("a masker may use the host's key", () => {
  const manifest = Manifest.parse(`
    [plugin]
    id = "acme/token"
    version = "0.1.0"
    world = "masker"
    description = "Tokens."
    [[capabilities]]
    name = "keyed"
    reason = "tokens that join"
  `);
  const tokens = masker(() => ({
    mask: ({ text, field }) => (text === "bad" ? "\ud83d" : keyed.transform("token", field.name, text)),
  }));
  const session = testing.masker(tokens, {}, { manifest, grants: { keyed: new FakeKeyed() } });
  const mask = (text: string, name = "a") => session.mask(text, { field: { name } });
  assert.match(mask("é"), /^tok_/);
  assert.equal(mask("é"), mask("é"));
  assert.notEqual(mask("é"), mask("é", "b"));
  assert.throws(() => mask("bad"), /surrogate/);
});

test("decisions that the host would reject fail the test", () => {
  const deciding = (decision: Decision) => () =>
    testing.policy(policy(() => ({ decide: () => decision })), {}, { manifest: policyManifest() })
      .decide(testing.action("select"));
  deciding(Decision.allow().withMask("public.users.*", "token"))();
  for (const decision of [
    Decision.deny(" "),
    Decision.deny("x".repeat(501)),
    Decision.hold({ reason: "why", approvers: Array(65).fill("dba") }),
    Decision.allow().withMask("users.ssn", "redact"),
    Decision.allow().withMask("public.users.ssn", "plugin:mine"),
    Decision.rewrite("x".repeat((1 << 20) + 1)),
  ]) {
    assert.throws(deciding(decision), Rejected);
  }
});
