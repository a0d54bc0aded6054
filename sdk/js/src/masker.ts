// What makes new values for sensitive ones.

import type { Cell } from "./block.js";
import type { Exchange, Field } from "./exchange.js";
import type { Plugin } from "./plugin.js";

/** Makes a new value for each cell it is given. */
export interface Masker {
  /**
   * Called before the first cell of an exchange. Throw a `Failure` if the masker cannot work on this result; the host then
   * replaces every value itself.
   */
  begin?(exchange: Exchange, fields: readonly Field[]): void;

  /** The new value. A masker that has no good value for a cell throws: the host then replaces the whole cell. */
  mask(cell: Cell): string;
}

/** A masker before it is configured. */
export type MaskerPlugin<Settings = never> = Plugin<"masker", Settings, Masker>;

/**
 * A masker, as the default export of the plugin's main file.
 *
 * @param configure is given what the operator set, described by the JSON Schema that `plugin.toml` names, and returns the
 * masker. It must be pure, for the host may keep a snapshot of the outcome. It throws `Diagnostics` when the settings are wrong.
 */
export function masker<Settings>(configure: (settings: Settings) => Masker): MaskerPlugin<Settings> {
  return { world: "masker", configure };
}
