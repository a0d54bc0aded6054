// A policy that misbehaves as its settings or its client say: see ../../README.md.

import { Decision, policy } from "@grille/sdk";

import { commit, configured, keep, misdeedOf, reached } from "./misdeeds.js";

export default policy((settings) => {
  configured(settings);
  return {
    decide(action, exchange) {
      const misdeed = misdeedOf(settings, exchange);
      commit(misdeed);
      const outside = reached(misdeed);
      if (outside !== undefined) return Decision.deny(outside);
      switch (misdeed) {
        case "giant-reason":
          return Decision.deny("x".repeat(16 << 20));
        case "bad-utf8":
          return Decision.deny("\ud800");
        case "no-decision":
          return "allow";
        case "promise":
          return Promise.resolve(Decision.allow());
        case "keep": {
          const kept = keep(action.text);
          return kept === "" ? Decision.allow() : Decision.deny(`kept: ${kept}`);
        }
      }
      return Decision.allow();
    },
  };
});
