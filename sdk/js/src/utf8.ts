// UTF-8, strictly, both ways: the engine of the component has no TextDecoder. Bytes that are not UTF-8 and strings with half a
// surrogate pair are failures, never replacement characters, for a value that changed on its way was not judged.
//
// The work is done by the functions for percent-encoding, which ECMAScript defines by strict UTF-8 (sections 19.2.6 and B.2.1)
// and every engine has in native code; a loop over the bytes takes an interpreter six times as long. Between the two stands
// a string of "units", one character for each byte.

import { Failure } from "./failure.js";

/** What one call may spread over its arguments: well below the engines' limits. */
const CHUNK = 4096;

const NOT_ASCII = /[^\x00-\x7f]/;

/** Whether the text has ASCII characters only, so that its indexes are also byte offsets. */
export function isAscii(text: string): boolean {
  return !NOT_ASCII.test(text);
}

/**
 * The text of the bytes.
 *
 * @throws Failure if they are not UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  return decodeUnits(bytesAsUnits(bytes));
}

/**
 * The bytes of the text.
 *
 * @throws Failure if it has half a surrogate pair.
 */
export function encodeUtf8(text: string): Uint8Array {
  const units = encodeUnits(text);
  const bytes = new Uint8Array(units.length);
  for (let index = 0; index < units.length; index += 1) bytes[index] = units.charCodeAt(index);
  return bytes;
}

/**
 * How many bytes the text has in UTF-8.
 *
 * @throws Failure if it has half a surrogate pair.
 */
export function byteLength(text: string): number {
  return encodeUnits(text).length;
}

/** One unit for each byte. */
export function bytesAsUnits(bytes: Uint8Array): string {
  let units = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    units += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK) as unknown as number[]);
  }
  return units;
}

/** The text of bytes that came as units; throws a `Failure` if they are not UTF-8. */
export function decodeUnits(units: string): string {
  if (isAscii(units)) return units;
  try {
    return decodeURIComponent(escape(units));
  } catch {
    throw new Failure("the bytes are not UTF-8");
  }
}

function encodeUnits(text: string): string {
  if (isAscii(text)) return text;
  try {
    return unescape(encodeURIComponent(text));
  } catch {
    throw new Failure("the text has half a surrogate pair");
  }
}
