// What judges statements before they run.

import type { Action } from "./action.js";
import type { Decision } from "./decision.js";
import type { Exchange } from "./exchange.js";
import type { Plugin } from "./plugin.js";

/** Judges what a client asks for, before anything reaches the upstream. */
export interface Policy {
  /** Called before the exchange's statement is judged. Throw a `Failure` if the policy cannot judge it; the host denies. */
  begin?(exchange: Exchange): void;

  /**
   * The policy's word on one statement. Without a capability but `log`, it must be a function of settings, exchange and action:
   * the host remembers its decisions.
   */
  decide(action: Action, exchange: Exchange): Decision;
}

/** A policy before it is configured. */
export type PolicyPlugin<Settings = never> = Plugin<"policy", Settings, Policy>;

/**
 * A policy, as the default export of the plugin's main file.
 *
 * @param configure is given what the operator set, described by the JSON Schema that `plugin.toml` names, and returns the
 * policy. It must be pure, for the host may keep a snapshot of the outcome: no capability but `log`. It throws `Diagnostics`
 * when the settings are wrong.
 */
export function policy<Settings>(configure: (settings: Settings) => Policy): PolicyPlugin<Settings> {
  return { world: "policy", configure };
}
