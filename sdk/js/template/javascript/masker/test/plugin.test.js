import assert from "node:assert/strict";
import { test } from "node:test";

import { checkVectors, masker } from "@grille/sdk/testing";

import plugin from "../src/plugin.js";

test("the vectors of plugin.toml hold", () => checkVectors(plugin));

test("only the shape is left", () => {
  const shape = masker(plugin, {});
  assert.equal(shape.mask("Åse 47"), "Xxx 00");
  assert.equal(shape.mask("---"), "---");
  assert.equal(shape.mask("a".repeat(5000)), "…");
});
