// The capabilities as the host offers them: what stands behind `#host/…`, in a component and in tests.

import type { WireReply, WireValues } from "../wire.js";
import type { Attribute } from "../exchange.js";

export interface LogHost {
  write(level: number, message: string): void;
}

export interface ClockHost {
  nowMs(): number;
}

export interface StateHost {
  get(key: string): Uint8Array | null;
  set(key: string, value: Uint8Array, ttlMs: number): void;
  add(key: string, delta: number, windowMs: number): number;
}

export interface KeyedHost {
  transform(method: string, domain: string, input: WireValues): WireValues;
}

export interface EgressHost {
  fetch(method: string, url: string, headers: readonly Attribute[], body: Uint8Array): WireReply;
}

/** Every capability by its name. */
export interface Capabilities {
  readonly log: LogHost;
  readonly clock: ClockHost;
  readonly state: StateHost;
  readonly keyed: KeyedHost;
  readonly egress: EgressHost;
}
