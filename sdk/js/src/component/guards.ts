// What the language offers and a component does not have. The engine would trap, or make numbers up that are the same in every
// instance; this says what to do instead. Imported for its effect, before the plugin, by the component's entry.

import { Failure } from "../failure.js";

/** Puts the guards up; the function it returns takes them down again. */
export function raiseGuards(): () => void {
  const { Date: RealDate } = globalThis;
  const { random } = Math;
  globalThis.Date = guardedDate(RealDate);
  Math.random = () => refuse("random numbers are not to be had in a plugin");
  return () => {
    globalThis.Date = RealDate;
    Math.random = random;
  };
}

function guardedDate(RealDate: DateConstructor): DateConstructor {
  return new Proxy(RealDate, {
    apply: () => refuseTime(),
    construct: (target, args, newTarget) =>
      args.length === 0 ? refuseTime() : (Reflect.construct(target, args, newTarget) as object),
    get: (target, key, receiver) => (key === "now" ? refuseTime : Reflect.get(target, key, receiver)),
  });
}

function refuseTime(): never {
  return refuse("the time is a capability: nowMs of @grille/sdk/clock");
}

function refuse(message: string): never {
  throw new Failure(message);
}
