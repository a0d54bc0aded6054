// The `[[vectors]]` of `plugin.toml`: inputs, and what must come of them under the settings `{}`.

import { deepStrictEqual, ok } from "node:assert/strict";

import type { DetectorPlugin } from "../detector.js";
import type { MaskerPlugin } from "../masker.js";
import type { PolicyPlugin } from "../policy.js";
import { FakeClock } from "./fakes.js";
import { action } from "./making.js";
import { type ExpectedFinding, gatePasses, Manifest, type Vector } from "./manifest.js";
import { detector, type DetectorUnderTest, masker, type Options, policy } from "./sessions.js";

/**
 * Checks that a plugin does what its `plugin.toml` says. A vector's `at` is what the clock shows.
 *
 * @throws Error if there are no vectors, one fails, or a label's gate would have kept its text from the detector.
 */
export function checkVectors(plugin: DetectorPlugin | MaskerPlugin | PolicyPlugin, options: Options = {}): void {
  const manifest = options.manifest ?? Manifest.read();
  ok(manifest.world === plugin.world, `plugin.toml says ${manifest.world}, but the plugin is a ${plugin.world}`);
  ok(manifest.vectors.length > 0, "plugin.toml has no vectors");
  const checked = { ...options, manifest };
  switch (plugin.world) {
    case "policy":
      return checkPolicy(plugin as PolicyPlugin<object>, checked, manifest);
    case "masker":
      return checkMasker(plugin as MaskerPlugin<object>, checked, manifest);
    case "detector":
      return checkDetector(plugin as DetectorPlugin<object>, checked, manifest);
  }
}

function checkPolicy(plugin: PolicyPlugin<object>, options: Options, { vectors }: Manifest): void {
  for (const vector of vectors) {
    const objects = vector.objects.map(({ kind, name, access }) => [kind, name, access] as const);
    const { kind, effects, features } = vector;
    const decision = policy(plugin, {}, at(vector, options)).decide(action(kind, { effects, objects, features }));
    deepStrictEqual(decision.verdict.kind, vector.expect, describe(vector));
  }
}

function at({ at }: Vector, options: Options): Options {
  return at === undefined ? options : { ...options, grants: { ...options.grants, clock: new FakeClock(at) } };
}

function checkMasker(plugin: MaskerPlugin<object>, options: Options, { vectors }: Manifest): void {
  const session = masker(plugin, {}, options);
  for (const vector of vectors) deepStrictEqual(session.mask(vector.text), vector.expect, describe(vector));
}

function checkDetector(plugin: DetectorPlugin<object>, options: Options, manifest: Manifest): void {
  const session = detector(plugin, {}, options);
  for (const vector of manifest.vectors) {
    ok(typeof vector.expect === "object", `${describe(vector)}: expect is no list`);
    const expected = vector.expect.map(expectedLine).sort();
    deepStrictEqual(foundLines(session, manifest, vector.text), expected, describe(vector));
  }
}

function foundLines(session: DetectorUnderTest, manifest: Manifest, text: string): string[] {
  const lines = session.inspect(text).map(({ label, labelName, start, end }) => {
    ok(gatePasses(manifest.labels[label]!, text), `the gate of ${labelName} keeps back ${JSON.stringify(text)}`);
    return expectedLine({ label: labelName, start, end });
  });
  return [...new Set(lines)].sort();
}

function expectedLine({ label, start, end }: ExpectedFinding): string {
  return `${label} at ${start}..${end}`;
}

function describe(vector: Vector): string {
  return `vector ${JSON.stringify(vector)}`;
}
