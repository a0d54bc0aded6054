import assert from "node:assert/strict";
import { test } from "node:test";

import { action, checkVectors, policy } from "@grille/sdk/testing";

import plugin from "../src/plugin.js";

test("the vectors of plugin.toml hold", () => checkVectors(plugin));

test("protected tables are only read", () => {
  const protect = policy(plugin, { protected: ["salaries"] });
  const update = action("update", { effects: ["update"], objects: [["relation", "hr.salaries", "update"]] });
  assert.deepEqual(protect.decide(update).verdict, { kind: "deny", reason: "salaries may only be read" });
  const select = action("select", { effects: ["read"], objects: [["relation", "salaries", "read"]] });
  assert.deepEqual(protect.decide(select).verdict, { kind: "allow" });
});
