import assert from "node:assert/strict";
import { test } from "node:test";

import { action, checkVectors, policy } from "@grille/sdk/testing";

import plugin from "../src/plugin.js";

test("the vectors of plugin.toml hold", () => checkVectors(plugin));

test("the operator says what is denied", () => {
  const notify = action("notify", { effects: ["notify"], objects: [["channel", "jobs", "read"]] });
  assert.deepEqual(policy(plugin, {}).decide(notify).verdict, { kind: "allow" });
  assert.deepEqual(policy(plugin, { denied_effects: ["notify"] }).decide(notify).verdict, {
    kind: "deny",
    reason: "notify is not allowed here",
  });
});
