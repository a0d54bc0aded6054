// What the host would hand over, made of a few words.

import { Action, fingerprint } from "../action.js";
import type { Attribute, Exchange, Field } from "../exchange.js";

/** The parts of an action that matter to a test; the rest is empty. */
export interface ActionParts {
  readonly effects?: readonly string[];
  /** Kind, name and access: `["relation", "public.users", "read"]`. */
  readonly objects?: readonly (readonly [kind: string, name: string, access: string])[];
  readonly features?: readonly string[];
  readonly text?: string;
  /** 16 hexadecimal digits, as the audit log writes it. */
  readonly fingerprint?: string;
  readonly attributes?: readonly Attribute[];
}

/** An action: `action("select", { effects: ["read"], objects: [["relation", "orders", "read"]] })`. */
export function action(kind: string, parts: ActionParts = {}): Action {
  const { effects = [], objects = [], features = [], text = "", attributes = [] } = parts;
  return new Action({
    kind,
    effects,
    objects: objects.map(([objectKind, name, access]) => ({ kind: objectKind, name, access })),
    features,
    text,
    fingerprint: fingerprint(parts.fingerprint ?? "0000000000000000"),
    attributes,
  });
}

/** An exchange of nobody in particular, but for the given parts. */
export function exchange(parts: Partial<Exchange> = {}): Exchange {
  return {
    id: 0,
    protocol: "",
    principal: "",
    principalKind: "",
    groups: [],
    role: "",
    upstream: "",
    target: "",
    client: "",
    attributes: [],
    ...parts,
  };
}

/** A column without a name, but for the given parts. */
export function field(parts: Partial<Field> = {}): Field {
  return { name: "", origin: "", kind: "", ...parts };
}
