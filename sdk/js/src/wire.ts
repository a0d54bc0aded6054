// The interface's shapes as the component's engine hands them over: WIT records with camel-case names. Only the glue and the
// test harness, which stands in for the host, know them.

import type { Attribute, Exchange, Field } from "./exchange.js";
import type { Diagnostic } from "./failure.js";

export type WireExchange = Exchange;
export type WireField = Field;
export type WireDiagnostic = Diagnostic;

/** Lists of `u32` come as arrays, and may go back as typed ones. */
export type U32List = ArrayLike<number>;

export interface WireBlock {
  readonly rows: number;
  readonly fields: U32List;
  readonly offsets: U32List;
  readonly data: Uint8Array;
}

export interface WireFinding {
  readonly cell: number;
  readonly start: number;
  readonly end: number;
  readonly label: number;
  readonly score: number;
  readonly support: number;
}

export interface WireEdits {
  readonly cells: U32List;
  readonly offsets: U32List;
  readonly data: Uint8Array;
}

export interface WireValues {
  readonly offsets: U32List;
  readonly data: Uint8Array;
}

export interface WireObject {
  readonly kind: string;
  readonly name: string;
  readonly access: string;
}

export interface WireAction {
  readonly kind: string;
  readonly effects: readonly string[];
  readonly objects: readonly WireObject[];
  readonly features: readonly string[];
  readonly text: string;
  /** A `u64`, rounded to what a number holds. */
  readonly fingerprint: number;
  readonly attributes: readonly Attribute[];
}

export interface WireApproval {
  readonly reason: string;
  readonly approvers: readonly string[];
  readonly ttlS: number;
}

export type WireVerdict =
  | { readonly tag: "allow" }
  | { readonly tag: "deny"; readonly val: string }
  | { readonly tag: "hold"; readonly val: WireApproval }
  | { readonly tag: "rewrite"; readonly val: string };

export interface WireDecision {
  readonly verdict: WireVerdict;
  readonly obligations: readonly Attribute[];
}

export interface WireReply {
  readonly status: number;
  readonly headers: readonly Attribute[];
  readonly body: Uint8Array;
}

export interface Lifecycle {
  /** Throws a list of diagnostics. */
  configure(settingsJson: string): void;
  /** Throws a failure. */
  begin(exchange: WireExchange, fields: readonly WireField[]): void;
}
