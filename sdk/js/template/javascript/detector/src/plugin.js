// @ts-check
// `{{id}}`: finds employee numbers, a prefix and five digits.

import { detector } from "@grille/sdk";

/**
 * What the operator may set; `settings.schema.json` says the same.
 *
 * @typedef {{ readonly prefix?: string }} Settings
 */

/** The first of the `[[labels]]` in `plugin.toml`. */
const EMPLOYEE_NUMBER = 0;

export default detector((/** @type {Settings} */ settings) => {
  // The schema lets letters and hyphens pass only: nothing that means something in a pattern.
  const number = new RegExp(`\\b${settings.prefix ?? "AC-"}[0-9]{5}\\b`, "g");
  return {
    inspect(cell, out) {
      for (const match of cell.text.matchAll(number)) out.addMatch(EMPLOYEE_NUMBER, match, 900);
    },
  };
});
