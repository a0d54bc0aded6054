import assert from "node:assert/strict";
import { test } from "node:test";

import { Decision, detector, Diagnostics, Failure, masker, policy } from "@grille/sdk";
import { exportsOf as detectorExports } from "@grille/sdk/component/detector";
import { exportsOf as maskerExports } from "@grille/sdk/component/masker";
import { exportsOf as policyExports } from "@grille/sdk/component/policy";
import { action, exchange, field } from "@grille/sdk/testing";

const letters = detector((letter: string) => ({
  begin({ role }) {
    if (role === "nobody") throw new Failure("not for nobody");
  },
  inspect(cell, out) {
    assert.notEqual(cell.text, "", "empty cells are left out");
    if (cell.field.name === "clear") return;
    for (const match of cell.text.matchAll(new RegExp(letter, "g"))) out.addMatch(3, match, 2000, 5);
  },
}));

const upper = masker(() => ({ mask: (cell) => cell.text.toUpperCase() }));

/** What leaves a component is a plain object, no Error. */
function assertRefused(call: () => unknown, message: RegExp): void {
  assert.throws(call, { message });
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test("findings carry the cell", () => {
  const { lifecycle, detector } = detectorExports(letters);
  lifecycle.configure('"é"');
  lifecycle.begin(exchange(), [field({ name: "clear" }), field({ name: "dark" })]);
  const found = detector.inspect({ rows: 2, fields: [0, 1], offsets: [0, 2, 2, 2, 8], data: bytes("éaébé") });
  assert.deepEqual(found.map(({ cell, start, end }) => [cell, start, end]), [[3, 1, 3], [3, 4, 6]]);
});

test("blocks that break the host's promises are refused", () => {
  const { lifecycle, detector } = detectorExports(letters);
  lifecycle.configure('"é"');
  lifecycle.begin(exchange(), [field()]);
  const check = (rows: number, fields: number[], offsets: number[], data: Uint8Array, message: RegExp) =>
    assertRefused(() => detector.inspect({ rows, fields, offsets, data }), message);
  check(1, [0], [], bytes(""), /number of values/);
  check(2, [0], [0, 1], bytes("a"), /number of values/);
  check(1, [0], [0, 2], bytes("a"), /do not fit the data/);
  check(1, [0], [1, 1], bytes("a"), /do not fit the data/);
  check(2, [0], [0, 2, 1], bytes("ab"), /do not ascend/);
  check(2, [0], [0, 1, 2], bytes("é"), /not UTF-8/);
  check(1, [0], [0, 1], Uint8Array.of(0xff), /not UTF-8/);
  check(1, [1], [0, 1], bytes("a"), /not announced/);
});

test("what is called too early, or by something else, is refused", () => {
  const { lifecycle, detector } = detectorExports(letters);
  const block = { rows: 0, fields: [0], offsets: [0], data: bytes("") };
  assertRefused(() => lifecycle.begin(exchange(), []), /called before configure/);
  lifecycle.configure('"é"');
  assertRefused(() => detector.inspect(block), /called before begin/);
  assertRefused(() => lifecycle.begin(exchange({ role: "nobody" }), []), /not for nobody/);
  assert.throws(() => policyExports(letters as never), /policy\(\)/);
  assert.throws(() => policyExports(undefined as never), /policy\(\)/);
});

test("every cell has one value", () => {
  const { lifecycle, masker } = maskerExports(upper);
  lifecycle.configure("{}");
  lifecycle.begin(exchange(), [field()]);
  const edits = masker.mask({ rows: 3, fields: [0], offsets: [0, 1, 1, 4], data: bytes("aßb") });
  assert.deepEqual([edits.cells, edits.offsets, Buffer.from(edits.data).toString()], [[0, 1, 2], [0, 1, 1, 4], "ASSB"]);
});

test("an error in a plugin that sees cells tells where, not what", () => {
  const leaky = detector(() => ({
    inspect(cell) {
      JSON.parse(cell.text);
    },
  }));
  const { lifecycle, detector: exports } = detectorExports(leaky);
  lifecycle.configure("{}");
  lifecycle.begin(exchange(), [field()]);
  assert.throws(
    () => exports.inspect({ rows: 1, fields: [0], offsets: [0, 6], data: bytes("secret") }),
    ({ message }: Error) => /^SyntaxError/.test(message) && !message.includes("secret"),
  );
});

function decided(decide: () => unknown) {
  const { lifecycle, policy: exports } = policyExports(policy(() => ({ decide: decide as () => Decision })));
  lifecycle.configure("{}");
  lifecycle.begin(exchange(), []);
  return exports.decide(action("select"));
}

test("decisions leave in the words of the interface", () => {
  assert.deepEqual(decided(() => Decision.allow().withRowCap(10).withMask("public.users.ssn", "keep-last:4")), {
    verdict: { tag: "allow" },
    obligations: [
      { key: "row-cap", value: "10" },
      { key: "mask", value: "public.users.ssn=keep-last:4" },
    ],
  });
  assert.deepEqual(decided(() => Decision.hold({ reason: "why", approvers: ["dba"], standsForS: 1e12 })).verdict, {
    tag: "hold",
    val: { reason: "why", approvers: ["dba"], ttlS: 2 ** 31 - 1 },
  });
  assert.deepEqual(decided(() => Decision.hold({ reason: "why" })).verdict, {
    tag: "hold",
    val: { reason: "why", approvers: [], ttlS: 3600 },
  });
  assert.deepEqual(decided(() => Decision.rewrite("SELECT 1")).verdict, { tag: "rewrite", val: "SELECT 1" });
});

test("a text cut in the middle of a character is mended in a reason and refused in a statement", () => {
  assert.deepEqual(decided(() => Decision.deny("no 😀".slice(0, 4))).verdict, { tag: "deny", val: "no \ufffd" });
  assertRefused(() => decided(() => Decision.rewrite("\ud83d")), /surrogate/);
});

test("what is no decision is a failure", () => {
  for (const wrong of [undefined, null, "allow", Promise.resolve(Decision.allow()), { verdict: { kind: "allow" } }]) {
    assertRefused(() => decided(() => wrong), /returned no Decision/);
  }
  assert.throws(() => Decision.allow().withRowCap(1.5), RangeError);
});

test("a policy may tell what went wrong", () => {
  assertRefused(() => decided(() => { throw new TypeError("no such thing"); }), /TypeError: no such thing \(at /);
  assertRefused(() => decided(() => { throw "text"; }), /no Error was thrown/);
});

test("diagnostics leave as a list", () => {
  const fussy = policy(() => {
    throw new Diagnostics().add("/a", "too small").add("/b", "too big");
  });
  const configure = () => policyExports(fussy).lifecycle.configure("{}");
  const thrown: unknown[] = [];
  try {
    configure();
  } catch (error) {
    thrown.push(error);
  }
  assert.deepEqual(thrown, [[{ pointer: "/a", message: "too small" }, { pointer: "/b", message: "too big" }]]);
});
