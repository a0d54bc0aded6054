// What a JavaScript plugin of any world can do wrong: ways not to come back, and what its language offers to reach beyond it.

import { Failure } from "@grille/sdk";

/** Misbehaves at once if it is to. */
export function configured({ mode = "" }) {
  if (mode.endsWith("-in-configure")) commit(mode.slice(0, -"-in-configure".length));
}

/** What to do in an exchange; empty for nothing wrong. */
export function misdeedOf({ mode = "" }, { client }) {
  if (mode !== "") return mode;
  return client.startsWith("misdeed:") ? client.slice("misdeed:".length) : "";
}

/** Does not come back from these; the others are not known here. */
export function commit(misdeed) {
  switch (misdeed) {
    case "spin":
      for (;;);
    case "allocate":
      for (const kept = []; ; ) kept.push(new Uint8Array(1 << 20).fill(0xaa));
    case "crash":
      throw new TypeError("a crash that was asked for");
    case "exit":
      // No Error, and nothing that has a message.
      throw null;
    case "recurse":
      return recurse(0);
    case "giant-failure":
      throw new Failure("x".repeat(2 ** 29));
    case "long-failure":
      throw new Failure("x".repeat(4 << 20));
    case "control-characters":
      throw new Failure("line\nERROR: forged\u001b[31m\u202e\0");
  }
}

function recurse(depth) {
  return recurse(depth + 1) + depth;
}

/** What the language gives of what lies outside, in words; undefined for what is no such thing. */
export function reached(misdeed) {
  switch (misdeed) {
    case "clock":
      return `clock: ${Date.now()}`;
    case "clock-below": {
      // The SDK's guard is no wall: behind it is the engine's own, which has no time either.
      const Below = Date.prototype.constructor;
      return `clock: ${new Below().getTime()}`;
    }
    case "zone":
      return `zone: ${new Date(0).getTimezoneOffset()} ${new Date(0)}`;
    case "performance":
      return `performance: ${performance.timeOrigin} ${performance.now()}`;
    case "random":
      return `random: ${Math.random()}`;
    case "entropy":
      return `entropy: ${typeof crypto} ${typeof globalThis.crypto?.getRandomValues}`;
    case "environment":
      return `environment: ${typeof process} ${typeof scriptArgs} ${typeof std} ${typeof os} ${typeof navigator}`;
    case "files":
      return `files: ${typeof require} ${typeof Deno}`;
    case "network":
      return `network: ${typeof fetch} ${typeof XMLHttpRequest} ${typeof WebSocket}`;
    case "timers":
      return `timers: ${typeof setTimeout} ${typeof queueMicrotask} ${typeof Worker}`;
  }
  return undefined;
}

const kept = [];

/** Keeps a text wherever one can be kept; all that was kept before. */
export function keep(text) {
  const before = [...kept, globalThis.kept ?? "", Array.prototype.kept ?? ""].join("");
  kept.push(text);
  globalThis.kept = text;
  Array.prototype.kept = text;
  return before;
}
