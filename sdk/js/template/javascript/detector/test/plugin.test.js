import assert from "node:assert/strict";
import { test } from "node:test";

import { checkVectors, detector } from "@grille/sdk/testing";

import plugin from "../src/plugin.js";

test("the vectors of plugin.toml hold", () => checkVectors(plugin));

test("the operator says what stands before the digits", () => {
  const found = detector(plugin, { prefix: "Nr-" }).inspect("AC-10423, Nr-10424");
  assert.deepEqual(found.map(({ text }) => text), ["Nr-10424"]);
});
