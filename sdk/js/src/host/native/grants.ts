// Which capabilities the call in progress may use. Outside of a component only: the test harness sets it around each call.

import type { Capabilities } from "../interfaces.js";

/** Gives a capability, or says why it is not to be had. */
export type Grant = <Name extends keyof Capabilities>(name: Name) => Capabilities[Name];

let current: Grant | undefined;

/** Does the work with these capabilities. */
export function withGrant<T>(grant: Grant, work: () => T): T {
  const before = current;
  current = grant;
  try {
    return work();
  } finally {
    current = before;
  }
}

/** The capability, looked up anew at every call: another test may grant another one. */
export function granted<Name extends keyof Capabilities>(name: Name): Capabilities[Name] {
  return new Proxy({} as Capabilities[Name], {
    get: (_, method) => {
      if (current === undefined) throw new Error(`${name} is to be had in a plugin only; in tests, by way of @grille/sdk/testing`);
      const capability = current(name);
      return (Reflect.get(capability, method) as (...args: unknown[]) => unknown).bind(capability);
    },
  });
}
