// @ts-check
// `{{id}}`: denies changes to the tables it is told to protect.

import { Decision, policy } from "@grille/sdk";

/**
 * What the operator may set; `settings.schema.json` says the same.
 *
 * @typedef {{ readonly protected?: readonly string[] }} Settings
 */

/** What may only be read unless the operator says otherwise. */
const PROTECTED_BY_DEFAULT = ["audit_log"];

export default policy((/** @type {Settings} */ settings) => {
  const tables = new Set(settings.protected ?? PROTECTED_BY_DEFAULT);
  return {
    decide(action) {
      for (const { name, access } of action.objects) {
        const table = name.slice(name.lastIndexOf(".") + 1);
        if (access !== "read" && tables.has(table)) return Decision.deny(`${table} may only be read`);
      }
      return Decision.allow();
    },
  };
});
