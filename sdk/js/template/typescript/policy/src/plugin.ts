// `{{id}}`: denies statements by what they do.

import { Decision, policy } from "@grille/sdk";

/** What the operator may set; `settings.schema.json` says the same. */
export interface Settings {
  readonly denied_effects?: readonly string[];
}

export default policy((settings: Settings) => {
  const denied = settings.denied_effects ?? ["grant"];
  return {
    decide(action) {
      const effect = denied.find((word) => action.hasEffect(word));
      return effect === undefined ? Decision.allow() : Decision.deny(`${effect} is not allowed here`);
    },
  };
});
