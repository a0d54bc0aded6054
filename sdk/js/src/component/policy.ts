// The exports of a policy component.

import { Action } from "../action.js";
import { type Approval, Decision, STANDS_FOR_S_DEFAULT, STANDS_FOR_S_MAX, type Verdict } from "../decision.js";
import { Failure } from "../failure.js";
import type { Policy, PolicyPlugin } from "../policy.js";
import { byteLength } from "../utf8.js";
import type { Lifecycle, WireAction, WireApproval, WireDecision, WireVerdict } from "../wire.js";
import { Session } from "./lifecycle.js";

export interface PolicyExports {
  readonly lifecycle: Lifecycle;
  readonly policy: { decide(action: WireAction): WireDecision };
}

/** What the component exports for this plugin. */
export function exportsOf(plugin: PolicyPlugin): PolicyExports {
  const session = new Session<Policy>("policy", plugin, "message");
  return {
    lifecycle: session.lifecycle,
    policy: {
      decide: (action) =>
        session.during(({ configured, exchange }) => wireDecision(configured.decide(new Action(action), exchange))),
    },
  };
}

/** A forgotten `return` and a promise are no decisions. */
function wireDecision(decision: unknown): WireDecision {
  if (!(decision instanceof Decision)) throw new Failure("decide returned no Decision");
  return {
    verdict: wireVerdict(decision.verdict),
    obligations: decision.obligations.map(({ key, value }) => ({ key, value: value.toWellFormed() })),
  };
}

function wireVerdict(verdict: Verdict): WireVerdict {
  switch (verdict.kind) {
    case "allow":
      return { tag: "allow" };
    case "deny":
      return { tag: "deny", val: String(verdict.reason).toWellFormed() };
    case "hold":
      return { tag: "hold", val: wireApproval(verdict.approval) };
    case "rewrite":
      // What runs must be what was written: half a surrogate pair is refused here, not replaced.
      byteLength(verdict.statement);
      return { tag: "rewrite", val: verdict.statement };
  }
}

function wireApproval({ reason, approvers = [], standsForS = STANDS_FOR_S_DEFAULT }: Approval): WireApproval {
  if (!(standsForS >= 0)) throw new Failure("an approval stands for no time");
  return {
    reason: String(reason).toWellFormed(),
    approvers: [...approvers],
    ttlS: Math.floor(Math.min(standsForS, STANDS_FOR_S_MAX)),
  };
}
