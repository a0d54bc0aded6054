// What a capability of the host throws, as a failure of the plugin's.

import { Failure } from "../failure.js";

/** Calls the host; what it refuses becomes a `Failure` that the plugin may catch. */
export function askHost<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const message = (error as { payload?: { message?: unknown } })?.payload?.message;
    // Anything else is no answer of the host's, and not to be survived.
    if (typeof message !== "string") throw error;
    throw new Failure(message);
  }
}
