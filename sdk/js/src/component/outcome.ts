// What leaves a plugin when something is thrown in it. The engine takes a thrown plain object as the interface's error and
// traps on anything else; either way the host fails closed, but of a trap the operator learns nothing.

import { Diagnostics, Failure } from "../failure.js";
import type { WireDiagnostic } from "../wire.js";

/** A `failure`; the engine reads the message only, the test harness the cause too. */
export interface Refusal {
  readonly message: string;
  readonly cause: unknown;
}

/** What may be told of an error that is no `Failure`. */
export type Telling = "message" | "place";

/** Does the work, and throws what the interface calls a failure if it throws anything. */
export function orRefuse<T>(telling: Telling, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const refusal: Refusal = { message: messageOf(error, telling).toWellFormed(), cause: error };
    throw refusal;
  }
}

/** Does the work, and throws a list of diagnostics if it throws anything. */
export function orDiagnose<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diagnosticsOf(error).map(({ pointer, message }) => ({
      pointer: pointer.toWellFormed(),
      message: message.toWellFormed(),
    }));
  }
}

function diagnosticsOf(error: unknown): WireDiagnostic[] {
  if (error instanceof Diagnostics && error.list.length > 0) return error.list;
  return [{ pointer: "", message: messageOf(error, "message") }];
}

/**
 * Messages of a plugin that sees cells stay inside, unless its author wrote them into a `Failure`: those of the engine quote
 * what they were given (`JSON.parse` does).
 */
function messageOf(error: unknown, telling: Telling): string {
  if (error instanceof Failure) return error.message;
  if (!(error instanceof Error)) return "something that is no Error was thrown";
  const what = telling === "message" ? `${error.name}: ${error.message}` : error.name;
  const place = firstFrame(error);
  return place === "" ? what : `${what} (${place})`;
}

/** Where it was thrown, as far as the engine says: `at decide (plugin.js:12:3)`. */
function firstFrame(error: Error): string {
  const frame = (error.stack ?? "").split("\n").find((line) => /^\s*at /.test(line));
  return frame?.trim() ?? "";
}
