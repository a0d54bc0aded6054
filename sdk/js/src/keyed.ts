/**
 * Capability of maskers: transforms under a key that the host keeps. Throws a `Failure` when the host cannot.
 * Not to be had in `configure`.
 *
 * @module
 */

import { keyed } from "#host/keyed";
import { askHost } from "./host/refused.js";
import { packTexts, unpackTexts } from "./values.js";

/** `token` is short and printable, `hmac-sha256` has 64 hexadecimal digits. */
export type Method = "token" | "hmac-sha256";

/** Equal values give equal outputs within a domain, and different ones across domains. As many come back as were given. */
export function transformAll(method: Method, domain: string, values: readonly string[]): string[] {
  const input = packTexts(values);
  const output = askHost(() => keyed.transform(method, domain, input));
  return unpackTexts(output.offsets, output.data, values.length);
}

/** One value; see {@link transformAll}. */
export function transform(method: Method, domain: string, value: string): string {
  return transformAll(method, domain, [value])[0]!;
}
