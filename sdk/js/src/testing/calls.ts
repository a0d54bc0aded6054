// Calls a plugin as the host does: with the capabilities that were granted, with none while it is configured, without the time
// and without random numbers. What a plugin throws comes out as an error that says so, with the original as its cause.

import { raiseGuards } from "../component/guards.js";
import type { Refusal } from "../component/outcome.js";
import { Diagnostics } from "../failure.js";
import type { Capabilities } from "../host/interfaces.js";
import { type Grant, withGrant } from "../host/native/grants.js";
import type { WireDiagnostic } from "../wire.js";
import { FakeLog, type Grants } from "./fakes.js";
import type { CapabilityName, Manifest } from "./manifest.js";

/** The plugin refused, or something was thrown in it: the host would fail closed. */
export class PluginFailed extends Error {
  override readonly name = "PluginFailed";
}

/** Calls of one plugin under test. */
export class Calls {
  readonly #manifest: Manifest;
  readonly #grants: Grants;
  /** Trouble that a plugin may have caught, and that fails the test nevertheless. */
  #violation: Error | undefined;

  constructor(manifest: Manifest, grants: Grants) {
    this.#manifest = manifest;
    this.#grants = { log: new FakeLog(), ...grants };
  }

  /** `configure`; throws `Diagnostics` if the plugin does not like the settings. */
  configure(configure: () => void): void {
    this.#guarded(["log"], () => {
      try {
        configure();
      } catch (thrown) {
        throw diagnosticsOf(thrown);
      }
    });
  }

  /** Any other call. */
  serve<T>(call: () => T): T {
    return this.#guarded(["log", "clock", "state", "keyed", "egress"], () => {
      try {
        return call();
      } catch (thrown) {
        throw failureOf(thrown);
      }
    });
  }

  #guarded<T>(allowed: readonly CapabilityName[], call: () => T): T {
    const lowerGuards = raiseGuards();
    try {
      return withGrant(this.#granting(allowed), call);
    } finally {
      lowerGuards();
      // A plugin that catches everything would hide it.
      if (this.#violation !== undefined) throw this.#violation;
    }
  }

  #granting(allowed: readonly CapabilityName[]): Grant {
    return (name) => {
      if (!allowed.includes(name)) throw this.#violate(`${name} is not to be had in configure`);
      if (!this.#manifest.capabilities.includes(name)) {
        throw this.#violate(`${name} is not among the [[capabilities]] of plugin.toml`);
      }
      return this.#grant(name);
    };
  }

  #grant<Name extends CapabilityName>(name: Name): Capabilities[Name] {
    const fake = this.#grants[name];
    if (fake === undefined) throw this.#violate(`the test does not grant ${name}`);
    return fake as unknown as Capabilities[Name];
  }

  #violate(message: string): Error {
    this.#violation = new Error(message);
    return this.#violation;
  }
}

function diagnosticsOf(thrown: unknown): unknown {
  if (!Array.isArray(thrown)) return thrown;
  const diagnostics = new Diagnostics();
  for (const { pointer, message } of thrown as WireDiagnostic[]) diagnostics.add(pointer, message);
  return diagnostics;
}

function failureOf(thrown: unknown): unknown {
  if (thrown instanceof Error) return thrown;
  const { message, cause } = thrown as Refusal;
  return new PluginFailed(`the plugin failed: ${message}`, { cause });
}
