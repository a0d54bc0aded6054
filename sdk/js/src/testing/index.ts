// Tests of a plugin without a gateway and without WebAssembly, under any test runner of Node's: give a detector texts, a policy
// actions, a masker values, and check them against `plugin.toml`. What the host would not accept is thrown, as assertions are.

export { PluginFailed } from "./calls.js";
export {
  FakeClock,
  FakeEgress,
  FakeKeyed,
  FakeLog,
  type FakeReply,
  FakeState,
  type Grants,
  type SentRequest,
} from "./fakes.js";
export { action, type ActionParts, exchange, field } from "./making.js";
export { type ExpectedFinding, type Gate, type LabelEntry, Manifest, type Vector } from "./manifest.js";
export { Rejected } from "./rules.js";
export {
  detector,
  type DetectorUnderTest,
  type Found,
  masker,
  type MaskerUnderTest,
  type Options,
  policy,
  type PolicyUnderTest,
  type Surroundings,
} from "./sessions.js";
export { checkVectors } from "./vectors.js";
