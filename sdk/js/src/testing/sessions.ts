// A configured plugin under test: the host's side of each world, as small as it can be.

import type { Action } from "../action.js";
import { exportsOf as detectorExports, type DetectorExports } from "../component/detector.js";
import { exportsOf as maskerExports, type MaskerExports } from "../component/masker.js";
import { exportsOf as policyExports, type PolicyExports } from "../component/policy.js";
import type { Decision } from "../decision.js";
import type { DetectorPlugin, Label, Support } from "../detector.js";
import type { Exchange, Field } from "../exchange.js";
import type { MaskerPlugin } from "../masker.js";
import type { PolicyPlugin } from "../policy.js";
import { packTexts } from "../values.js";
import type { WireBlock, WireDecision, WireFinding } from "../wire.js";
import { Calls } from "./calls.js";
import type { Grants } from "./fakes.js";
import { exchange as anyExchange, field as anyField } from "./making.js";
import { Manifest } from "./manifest.js";
import { checkDecision, checkedValues, checkFinding } from "./rules.js";

/** How a plugin is tested. */
export interface Options {
  /** By default `plugin.toml` in the folder where the tests are run. */
  readonly manifest?: Manifest;
  /** Stand-ins for the capabilities that the plugin uses. `log` is always there. */
  readonly grants?: Grants;
}

/** What is around a text. */
export interface Surroundings {
  readonly exchange?: Partial<Exchange>;
  readonly field?: Partial<Field>;
}

/** What a detector found in one text. */
export interface Found {
  /** What it is said to be: index, and the name in `plugin.toml`. */
  readonly label: Label;
  readonly labelName: string;
  /** Where, in bytes. */
  readonly start: number;
  readonly end: number;
  /** The text there. */
  readonly text: string;
  /** How sure the detector is. */
  readonly score: number;
  /** What speaks for it. */
  readonly support: Support;
}

/**
 * A configured detector.
 *
 * @throws Diagnostics if it does not like the settings.
 */
export function detector<S>(plugin: DetectorPlugin<S>, settings: NoInfer<S>, options: Options = {}): DetectorUnderTest {
  return new DetectorUnderTest(detectorExports(plugin), settings, options);
}

/**
 * A configured masker.
 *
 * @throws Diagnostics if it does not like the settings.
 */
export function masker<S>(plugin: MaskerPlugin<S>, settings: NoInfer<S>, options: Options = {}): MaskerUnderTest {
  return new MaskerUnderTest(maskerExports(plugin), settings, options);
}

/**
 * A configured policy.
 *
 * @throws Diagnostics if it does not like the settings.
 */
export function policy<S>(plugin: PolicyPlugin<S>, settings: NoInfer<S>, options: Options = {}): PolicyUnderTest {
  return new PolicyUnderTest(policyExports(plugin), settings, options);
}

/** See {@link detector}. */
export class DetectorUnderTest {
  readonly #calls: Calls;
  readonly #exports: DetectorExports;
  readonly #manifest: Manifest;

  constructor(exports: DetectorExports, settings: unknown, options: Options) {
    this.#manifest = options.manifest ?? Manifest.read();
    this.#calls = new Calls(this.#manifest, options.grants ?? {});
    this.#exports = exports;
    this.#calls.configure(() => exports.lifecycle.configure(JSON.stringify(settings)));
  }

  /**
   * What it finds in one text, by place.
   *
   * @throws Error if it refuses, or a finding breaks a rule of the interface: the host would fail closed.
   */
  inspect(text: string, { exchange, field }: Surroundings = {}): Found[] {
    const findings = this.#calls.serve(() => {
      this.#exports.lifecycle.begin(anyExchange(exchange), [anyField(field)]);
      return this.#exports.detector.inspect(blockOf(text));
    });
    const cell = Buffer.from(text);
    return findings.map((finding) => this.#found(finding, cell)).sort(byPlace);
  }

  #found(finding: WireFinding, cell: Buffer): Found {
    const { labels } = this.#manifest;
    checkFinding(finding, [cell], labels.length);
    const { start, end, label, score, support } = finding;
    const text = cell.toString("utf8", start, end);
    return { label, labelName: labels[label]!.name, start, end, text, score, support };
  }
}

function byPlace(a: Found, b: Found): number {
  return a.start - b.start || a.end - b.end || a.label - b.label;
}

/** See {@link masker}. */
export class MaskerUnderTest {
  readonly #calls: Calls;
  readonly #exports: MaskerExports;

  constructor(exports: MaskerExports, settings: unknown, options: Options) {
    this.#calls = new Calls(options.manifest ?? Manifest.read(), options.grants ?? {});
    this.#exports = exports;
    this.#calls.configure(() => exports.lifecycle.configure(JSON.stringify(settings)));
  }

  /**
   * What it makes of one text.
   *
   * @throws Error if it refuses: the host would replace the value itself.
   */
  mask(text: string, { exchange, field }: Surroundings = {}): string {
    const edits = this.#calls.serve(() => {
      this.#exports.lifecycle.begin(anyExchange(exchange), [anyField(field)]);
      return this.#exports.masker.mask(blockOf(text));
    });
    return checkedValues(edits, 1)[0]!;
  }
}

/** See {@link policy}. */
export class PolicyUnderTest {
  readonly #calls: Calls;
  readonly #exports: PolicyExports;

  constructor(exports: PolicyExports, settings: unknown, options: Options) {
    this.#calls = new Calls(options.manifest ?? Manifest.read(), options.grants ?? {});
    this.#exports = exports;
    this.#calls.configure(() => exports.lifecycle.configure(JSON.stringify(settings)));
  }

  /**
   * Its word on one action.
   *
   * @throws Error if it refuses, or the decision breaks a rule of the interface: the host would deny.
   */
  decide(action: Action, { exchange }: Pick<Surroundings, "exchange"> = {}): Pick<Decision, "verdict" | "obligations"> {
    const decision = this.#calls.serve(() => {
      this.#exports.lifecycle.begin(anyExchange(exchange), []);
      return this.#exports.policy.decide(action);
    });
    checkDecision(decision);
    return readable(decision);
  }
}

/** Back to the words that the plugin used. */
function readable({ verdict, obligations }: WireDecision): Pick<Decision, "verdict" | "obligations"> {
  switch (verdict.tag) {
    case "allow":
      return { verdict: { kind: "allow" }, obligations };
    case "deny":
      return { verdict: { kind: "deny", reason: verdict.val }, obligations };
    case "hold": {
      const { reason, approvers, ttlS } = verdict.val;
      return { verdict: { kind: "hold", approval: { reason, approvers, standsForS: ttlS } }, obligations };
    }
    case "rewrite":
      return { verdict: { kind: "rewrite", statement: verdict.val }, obligations };
  }
}

/** One text as a block of one cell. */
function blockOf(text: string): WireBlock {
  return { rows: 1, fields: [0], ...packTexts([text]) };
}
