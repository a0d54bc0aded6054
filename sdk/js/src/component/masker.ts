// The exports of a masker component.

import { cellsOf } from "../block.js";
import type { Field } from "../exchange.js";
import { Failure } from "../failure.js";
import type { Masker, MaskerPlugin } from "../masker.js";
import { packTexts } from "../values.js";
import type { Lifecycle, WireBlock, WireEdits } from "../wire.js";
import { Session } from "./lifecycle.js";

export interface MaskerExports {
  readonly lifecycle: Lifecycle;
  readonly masker: { mask(block: WireBlock): WireEdits };
}

/** What the component exports for this plugin. */
export function exportsOf(plugin: MaskerPlugin): MaskerExports {
  const session = new Session<Masker>("masker", plugin, "place");
  return {
    lifecycle: session.lifecycle,
    masker: { mask: (block) => session.during(({ configured, fields }) => mask(configured, fields, block)) },
  };
}

function mask(masker: Masker, fields: readonly Field[], block: WireBlock): WireEdits {
  const values = cellsOf(block, fields).map((cell) => {
    const value: unknown = masker.mask(cell);
    if (typeof value !== "string") throw new Failure("mask returned no string");
    return value;
  });
  return { cells: values.map((_, index) => index), ...packTexts(values) };
}
