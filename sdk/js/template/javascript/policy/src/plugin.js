// @ts-check
// `{{id}}`: denies statements by what they do.

import { Decision, policy } from "@grille/sdk";

/**
 * What the operator may set; `settings.schema.json` says the same.
 *
 * @typedef {{ readonly denied_effects?: readonly string[] }} Settings
 */

export default policy((/** @type {Settings} */ settings) => {
  const denied = settings.denied_effects ?? ["grant"];
  return {
    decide(action) {
      const effect = denied.find((word) => action.hasEffect(word));
      return effect === undefined ? Decision.allow() : Decision.deny(`${effect} is not allowed here`);
    },
  };
});
