import assert from "node:assert/strict";
import { test } from "node:test";

import { Diagnostics } from "@grille/sdk";
import { action, type ActionParts, checkVectors, policy } from "@grille/sdk/testing";

import plugin from "../src/plugin.js";
import type { Settings } from "../src/settings.js";

type Access = readonly [kind: string, name: string, access: string];

function reading(...names: string[]): Access[] {
  return names.map((name) => ["relation", name, "read"]);
}

function writing(...names: string[]): Access[] {
  return names.map((name) => ["relation", name, "update"]);
}

function decide(settings: Settings, kind: string, parts: ActionParts) {
  return policy(plugin, settings).decide(action(kind, parts));
}

function reason(settings: Settings, kind: string, parts: ActionParts): string {
  const { verdict } = decide(settings, kind, parts);
  assert.equal(verdict.kind, "deny");
  return verdict.reason;
}

function rowCap(settings: Settings, parts: ActionParts): string | undefined {
  const { verdict, obligations } = decide(settings, "select", { effects: ["read"], ...parts });
  assert.deepEqual(verdict, { kind: "allow" });
  return obligations.find(({ key }) => key === "row-cap")?.value;
}

test("the vectors of plugin.toml hold", () => checkVectors(plugin));

test("a reason says what there is and what may be", () => {
  const select = { effects: ["read"], objects: reading("a", "b", "c") };
  assert.equal(
    reason({ read_relations_max: 2 }, "select", select),
    "one statement reads 3 relations; at most 2 may be",
  );
  const update = { effects: ["update"], objects: writing("a", "b", "c", "d", "e", "f") };
  assert.equal(
    reason({ hint: "ask #data-platform" }, "update", update),
    "one statement writes to a, b, c, d and 2 more; at most 1 may be; ask #data-platform",
  );
});

test("no write at all may be allowed", () => {
  const update = { effects: ["update"], objects: writing("orders") };
  assert.equal(
    reason({ written_relations_max: 0 }, "update", update),
    "one statement writes to orders; none is allowed here",
  );
  const select = { effects: ["read"], objects: reading("orders") };
  assert.deepEqual(decide({ written_relations_max: 0 }, "select", select).verdict, { kind: "allow" });
});

test("a relation that is read and written counts once on either side", () => {
  const objects: Access[] = [...reading("orders"), ...writing("orders"), ["relation", "orders", "delete"]];
  assert.deepEqual(decide({}, "update", { effects: ["update"], objects }).verdict, { kind: "allow" });
});

test("a listed statement is denied, in whatever case it was listed", () => {
  const settings = { denied_fingerprints: ["0000000000000001", "F3acbc4dd9c308d9"] };
  const listed = { effects: ["read"], fingerprint: "f3acbc4dd9c308d9" };
  assert.equal(
    reason(settings, "select", listed),
    "statement F3acbc4dd9c308d9 is on the list of denied statements",
  );
  const other = { effects: ["read"], fingerprint: "f3acbc4dd9c3a8d9" };
  assert.deepEqual(decide(settings, "select", other).verdict, { kind: "allow" });
});

test("wide reads are capped", () => {
  const settings = { wide_read: { relations_min: 3, row_cap: 50 } };
  assert.equal(rowCap(settings, { objects: reading("a", "b", "c") }), "50");
  assert.equal(rowCap(settings, { objects: reading("a", "b") }), undefined);
  assert.equal(rowCap(settings, { text: "SELECT * FROM a" }), "50");
  assert.equal(rowCap(settings, { text: "SELECT * FROM a LIMIT $1" }), undefined);
  assert.equal(rowCap({}, { text: "SELECT a.* FROM a" }), "1000");
});

test("settings that contradict each other are refused", () => {
  const settings = { read_relations_max: 3, wide_read: { relations_min: 5 } };
  assert.throws(
    () => policy(plugin, settings),
    (error) => error instanceof Diagnostics && error.list[0]?.pointer === "/wide_read/relations_min",
  );
  policy(plugin, { read_relations_max: 3 });
});
