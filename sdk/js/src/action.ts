// One statement, as the host's own parser understood it.

import type { Attribute } from "./exchange.js";
import { Failure } from "./failure.js";

/** Something a statement touches. */
export interface ActionObject {
  /** `relation`, `function`, `schema`, `role`, `database`, … */
  readonly kind: string;
  /** As written, folded as the server folds it; qualified where the statement qualifies it: `public.users`. */
  readonly name: string;
  /** `read`, `insert`, `update`, `delete`, `define`, `drop`, `truncate`, `grant`, `call`, `lock`, `set`. */
  readonly access: string;
}

/**
 * The same for statements that differ in literals only. Of the interface's 64 bits a JavaScript number keeps 53; make others to
 * compare with by {@link fingerprint}. It decides nothing by itself: deny by it, never allow by it.
 */
export type Fingerprint = number & { readonly fingerprint: unique symbol };

/**
 * The fingerprint that the audit log writes so: 16 hexadecimal digits.
 *
 * @throws Failure if it is no fingerprint.
 */
export function fingerprint(hexadecimal: string): Fingerprint {
  if (!/^[0-9a-fA-F]{16}$/.test(hexadecimal)) {
    throw new Failure("a fingerprint has 16 hexadecimal digits");
  }
  // Rounds as the engine rounds the host's number: to nearest, ties to even.
  return Number(BigInt(`0x${hexadecimal}`)) as Fingerprint;
}

/**
 * One statement. The words are listed in the interface; the lists grow, so ignore words you do not know when you allow, and
 * expect them when you deny.
 */
export class Action {
  /** The command: `select`, `insert`, `drop table`, `alter table`, `begin`, … */
  readonly kind: string;
  /** Everything it does, CTEs and EXPLAIN ANALYZE included: `read`, `insert`, `update`, `delete`, `define`, … */
  readonly effects: readonly string[];
  /** Everything it touches, without repeats. */
  readonly objects: readonly ActionObject[];
  /** Noteworthy things: `no-where`, `constant-where`, `copy-program`, … */
  readonly features: readonly string[];
  /** The statement with its literals replaced by parameters. */
  readonly text: string;
  /** The same for statements that differ in literals only. */
  readonly fingerprint: Fingerprint;
  /** Everything else. */
  readonly attributes: readonly Attribute[];

  /** For the glue and for tests. */
  constructor(parts: Omit<Action, "fingerprint" | "hasEffect" | "hasFeature"> & { fingerprint: number }) {
    this.kind = parts.kind;
    this.effects = parts.effects;
    this.objects = parts.objects;
    this.features = parts.features;
    this.text = parts.text;
    this.fingerprint = parts.fingerprint as Fingerprint;
    this.attributes = parts.attributes;
  }

  /** Whether the statement does that. */
  hasEffect(effect: string): boolean {
    return this.effects.includes(effect);
  }

  /** Whether that is noteworthy about it. */
  hasFeature(feature: string): boolean {
    return this.features.includes(feature);
  }
}
