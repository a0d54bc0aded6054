// `plugin.toml`: what a plugin says of itself.

import { readFileSync } from "node:fs";

import type { Capabilities } from "../host/interfaces.js";
import type { World } from "../plugin.js";
import { readAll, Shape } from "./shape.js";
import { parseToml, type TomlValue } from "./toml.js";

/** A capability's name. */
export type CapabilityName = keyof Capabilities;

/** What each world may ask for. */
const CAPABILITIES: Readonly<Record<World, readonly CapabilityName[]>> = {
  detector: [],
  masker: ["keyed"],
  policy: ["log", "clock", "state", "egress"],
};

/** Most labels of one detector. */
const LABELS_MAX = 256;

/** A label, as far as tests need it. */
export interface LabelEntry {
  /** In Presidio's spelling where it has one. */
  readonly name: string;
  /** A text goes to the detector when any gate of any label lets it pass. */
  readonly gates: readonly Gate[];
}

/** A cheap necessary condition on a text's bytes; all of it must hold. */
export interface Gate {
  readonly bytesMin: number;
  readonly digitsMin: number;
  readonly lettersMin: number;
  /** At least one of these ASCII characters; empty asks for none. */
  readonly anyOf: string;
}

/** A test vector: `text` for a detector or masker, the parts of an action for a policy. */
export interface Vector {
  /** When a policy is asked, for one that reads the clock: RFC 3339 in UTC. */
  readonly at: string | undefined;
  readonly text: string;
  readonly kind: string;
  readonly effects: readonly string[];
  readonly objects: readonly { readonly kind: string; readonly name: string; readonly access: string }[];
  readonly features: readonly string[];
  /** A policy's verdict, a masker's new value, or a detector's findings: these and no others, in any order. */
  readonly expect: string | readonly ExpectedFinding[];
}

/** A finding of a vector; the offsets are in bytes. */
export interface ExpectedFinding {
  readonly label: string;
  readonly start: number;
  readonly end: number;
}

/** What `plugin.toml` holds, as far as tests need it. */
export class Manifest {
  readonly id: string;
  readonly world: World;
  readonly capabilities: readonly CapabilityName[];
  /** What a detector finds; the order is that of `Label`. */
  readonly labels: readonly LabelEntry[];
  readonly vectors: readonly Vector[];

  private constructor(root: Shape) {
    const plugin = readAll("plugin", root.any("plugin"), readPlugin);
    this.id = plugin.id;
    this.world = plugin.world;
    this.capabilities = root.tables("capabilities", (shape) => readCapability(shape, plugin.world));
    this.labels = root.tables("labels", readLabel);
    this.vectors = root.tables("vectors", readVector);
    this.#checkLabels();
  }

  /** Reads a file; by default the one in the folder where the tests are run. */
  static read(path: string | URL = "plugin.toml"): Manifest {
    return Manifest.parse(readFileSync(path, "utf8"));
  }

  /** Reads the content of a `plugin.toml`. */
  static parse(text: string): Manifest {
    try {
      return readAll("", parseToml(text), (root) => new Manifest(root));
    } catch (error) {
      throw new Error(`plugin.toml: ${(error as Error).message}`, { cause: error });
    }
  }

  #checkLabels(): void {
    const count = this.labels.length;
    const isRight = this.world === "detector" ? count >= 1 && count <= LABELS_MAX : count === 0;
    if (!isRight) throw new TypeError("a detector has 1 to 256 labels and other plugins have none");
    const names = new Set(this.labels.map(({ name }) => name));
    if (names.size !== count) throw new TypeError("two labels have the same name");
  }
}

function readPlugin(shape: Shape): { id: string; world: World } {
  const id = shape.string("id");
  const world = shape.string("world");
  if (!isWorld(world)) throw new TypeError("plugin.world must be detector, masker or policy");
  shape.string("version");
  shape.string("description");
  for (const key of ["settings", "language", "source", "host"]) shape.optionalString(key);
  return { id, world };
}

function isWorld(word: string): word is World {
  return Object.hasOwn(CAPABILITIES, word);
}

function readCapability(shape: Shape, world: World): CapabilityName {
  const name = shape.string("name");
  const known = CAPABILITIES[world].find((capability) => capability === name);
  if (known === undefined) throw new TypeError(`a ${world} cannot have the capability ${name}`);
  if (shape.string("reason") === "") throw new TypeError(`the capability ${name} needs a reason`);
  return known;
}

function readLabel(shape: Shape): LabelEntry {
  const label = { name: shape.string("name"), gates: shape.tables("gates", readGate) };
  shape.string("evidence");
  shape.number("chance_pass");
  for (const key of ["headers", "headers_against"]) shape.strings(key);
  return label;
}

function readGate(shape: Shape): Gate {
  return {
    bytesMin: shape.optionalNumber("bytes_min") ?? 0,
    digitsMin: shape.optionalNumber("digits_min") ?? 0,
    lettersMin: shape.optionalNumber("letters_min") ?? 0,
    anyOf: shape.optionalString("any_of") ?? "",
  };
}

function readVector(shape: Shape): Vector {
  return {
    at: readTime(shape.optionalString("at")),
    text: shape.optionalString("text") ?? "",
    kind: shape.optionalString("kind") ?? "",
    effects: shape.strings("effects"),
    objects: shape.tables("objects", (object) => ({
      kind: object.string("kind"),
      name: object.string("name"),
      access: object.string("access"),
    })),
    features: shape.strings("features"),
    expect: readExpectation(shape.any("expect")),
  };
}

function readTime(at: string | undefined): string | undefined {
  const isTime = at === undefined || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(at);
  if (!isTime) throw new TypeError("at must be like 2026-11-23T10:00:00Z");
  return at;
}

function readExpectation(value: TomlValue | undefined): string | ExpectedFinding[] {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) throw new TypeError("expect must be a verdict, a text or a list of findings");
  return value.map((finding) =>
    readAll("expect", finding, (shape) => ({
      label: shape.string("label"),
      start: shape.number("start"),
      end: shape.number("end"),
    })),
  );
}

/** Whether a label's own gates let the text pass; without any, everything does. */
export function gatePasses({ gates }: LabelEntry, text: string): boolean {
  return gates.length === 0 || gates.some((gate) => passes(gate, text));
}

function passes(gate: Gate, text: string): boolean {
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  return (
    Buffer.byteLength(text) >= gate.bytesMin &&
    count(/[0-9]/g) >= gate.digitsMin &&
    count(/[A-Za-z]/g) >= gate.lettersMin &&
    (gate.anyOf === "" || [...gate.anyOf].some((character) => text.includes(character)))
  );
}
