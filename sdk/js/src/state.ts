/**
 * Capability of policies: small values kept between exchanges, for counting and for remembering. Each plugin has its own, by
 * role; bytes and keys are limited, and old values give way to new ones. Not kept over a restart.
 * Not to be had in `configure`. Every function throws a `Failure` when the host cannot.
 *
 * @module
 */

import { state } from "#host/state";
import { Failure } from "./failure.js";
import { askHost } from "./host/refused.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

/** The value, if there is one. */
export function get(key: string): Uint8Array | undefined {
  return askHost(() => state.get(key)) ?? undefined;
}

/** The value as text, if there is one. */
export function getText(key: string): string | undefined {
  const value = get(key);
  return value === undefined ? undefined : decodeUtf8(value);
}

/** Keeps a value for `ttlMs` milliseconds, at most a day. */
export function set(key: string, value: Uint8Array | string, ttlMs: number): void {
  const bytes = typeof value === "string" ? encodeUtf8(value) : value;
  askHost(() => state.set(key, bytes, duration(ttlMs)));
}

/** Adds to a counter that begins anew `windowMs` milliseconds after its first addition; returns its new value. */
export function add(key: string, delta: number, windowMs: number): number {
  if (!Number.isSafeInteger(delta)) throw new Failure("a counter counts in whole numbers");
  return askHost(() => state.add(key, delta, duration(windowMs)));
}

/** The interface has whole milliseconds of 32 bits, the engine of 31: 24 days. */
function duration(milliseconds: number): number {
  if (!(milliseconds >= 0)) throw new Failure("a duration is not negative");
  return Math.floor(Math.min(milliseconds, 2 ** 31 - 1));
}
