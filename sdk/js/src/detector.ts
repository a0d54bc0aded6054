// What finds sensitive data.

import type { Cell } from "./block.js";
import type { Exchange, Field } from "./exchange.js";
import type { Plugin } from "./plugin.js";

/** Finds sensitive data in cells. It says where; it never returns what it saw. */
export interface Detector {
  /**
   * Called before the first cell of an exchange. Throw a `Failure` if the detector cannot work on this result; the host then
   * treats all of it as sensitive.
   */
  begin?(exchange: Exchange, fields: readonly Field[]): void;

  /**
   * Adds what the cell holds to `out`. Empty cells are not shown. Overlapping findings are resolved by the host (higher score,
   * then longer). A detector that cannot judge a cell throws: the host then treats it as sensitive.
   */
  inspect(cell: Cell, out: Findings): void;
}

/** A detector before it is configured. */
export type DetectorPlugin<Settings = never> = Plugin<"detector", Settings, Detector>;

/**
 * A detector, as the default export of the plugin's main file.
 *
 * @param configure is given what the operator set, described by the JSON Schema that `plugin.toml` names, and returns the
 * detector. It must be pure, for the host may keep a snapshot of the outcome: no capability but `log`. It throws `Diagnostics`
 * when the settings are wrong.
 */
export function detector<Settings>(configure: (settings: Settings) => Detector): DetectorPlugin<Settings> {
  return { world: "detector", configure };
}

/** A kind of sensitive data: index into the `[[labels]]` of `plugin.toml`. */
export type Label = number;

/** What speaks for a finding besides its shape; join several with `|`. */
export const Support = {
  /** Nothing. */
  NONE: 0,
  /** A check digit or checksum held. */
  CHECKED: 1,
  /** The usual separators were there (`123-45-6789`). */
  SEPARATED: 2,
  /** A context word stands beside it in the same text. */
  CONTEXT: 4,
} as const;

/** A number made of the bits of {@link Support}. */
export type Support = number;

/** All the bits that there are; the others are reserved. */
export const SUPPORT_BITS = 7;

/** The highest score a finding can have. */
export const SCORE_MAX = 1000;

/** Collects the findings of a block. */
export interface Findings {
  /**
   * Adds a finding in the cell under inspection. `start` and `end` are indexes into `cell.text`, as `indexOf` and regular
   * expressions give them; the host gets byte offsets.
   *
   * @param score 0 to {@link SCORE_MAX}; a higher one counts as that.
   * @throws RangeError if the place is empty, lies outside of the text or cuts a character in two, or the label, score or
   * support cannot be. Uncaught, it makes the host treat the cell as sensitive.
   */
  add(label: Label, start: number, end: number, score: number, support?: Support): void;

  /** Adds what a regular expression matched: all of the match. */
  addMatch(label: Label, match: RegExpMatchArray, score: number, support?: Support): void;
}
