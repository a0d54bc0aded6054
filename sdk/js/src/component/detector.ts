// The exports of a detector component.

import { cellsOf } from "../block.js";
import type { Detector, DetectorPlugin } from "../detector.js";
import type { Field } from "../exchange.js";
import { CollectedFindings } from "../findings.js";
import type { Lifecycle, WireBlock, WireFinding } from "../wire.js";
import { Session } from "./lifecycle.js";

export interface DetectorExports {
  readonly lifecycle: Lifecycle;
  readonly detector: { inspect(block: WireBlock): WireFinding[] };
}

/** What the component exports for this plugin. */
export function exportsOf(plugin: DetectorPlugin): DetectorExports {
  const session = new Session<Detector>("detector", plugin, "place");
  return {
    lifecycle: session.lifecycle,
    detector: {
      inspect: (block) => session.during(({ configured, fields }) => inspect(configured, fields, block)),
    },
  };
}

function inspect(detector: Detector, fields: readonly Field[], block: WireBlock): WireFinding[] {
  const findings = new CollectedFindings();
  cellsOf(block, fields).forEach((cell, index) => {
    // Empty cells are mostly those that the host's gate cleared.
    if (cell.text === "") return;
    findings.enter(index, cell.text);
    detector.inspect(cell, findings);
  });
  return findings.found;
}
