// Write Grille plugins in TypeScript or JavaScript. A plugin is the default export of its main file: what one of `detector`,
// `masker` and `policy` returns. Capabilities are modules beside this one (`@grille/sdk/clock`, …): a component asks for
// those that are imported, and for no others.

export { Action, type ActionObject, fingerprint, type Fingerprint } from "./action.js";
export type { Cell } from "./block.js";
export { type Approval, Decision, STANDS_FOR_S_DEFAULT, STANDS_FOR_S_MAX, type Verdict } from "./decision.js";
export { detector, type Detector, type DetectorPlugin, type Findings, type Label, SCORE_MAX, Support } from "./detector.js";
export type { Attribute, Exchange, Field } from "./exchange.js";
export { type Diagnostic, Diagnostics, Failure } from "./failure.js";
export { masker, type Masker, type MaskerPlugin } from "./masker.js";
export type { Plugin, World } from "./plugin.js";
export { policy, type Policy, type PolicyPlugin } from "./policy.js";
