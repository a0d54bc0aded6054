// The first half of every plugin's exports: settings in, exchange in. One instance is one plugin, configured once.

import type { Exchange, Field } from "../exchange.js";
import { Failure } from "../failure.js";
import type { Plugin, World } from "../plugin.js";
import type { Lifecycle } from "../wire.js";
import { orDiagnose, orRefuse, type Telling } from "./outcome.js";

/** What all of the configured plugins have. */
interface Beginning {
  begin?(exchange: Exchange, fields: readonly Field[]): void;
}

/** A configured plugin and the exchange it works for. */
export interface Work<Configured> {
  readonly configured: Configured;
  readonly exchange: Exchange;
  readonly fields: readonly Field[];
}

/** The state of an instance, and the exports that bring it about. */
export class Session<Configured extends Beginning> {
  readonly lifecycle: Lifecycle;
  readonly #telling: Telling;
  #configured: Configured | undefined;
  #work: Work<Configured> | undefined;

  constructor(world: World, plugin: Plugin<World, never, Configured>, telling: Telling) {
    if (plugin?.world !== world) {
      throw new TypeError(`the main file must export by default what ${world}() of @grille/sdk returns`);
    }
    this.#telling = telling;
    this.lifecycle = {
      configure: (settingsJson) => {
        this.#configured = orDiagnose(() => plugin.configure(JSON.parse(settingsJson) as never));
      },
      begin: (exchange, fields) => orRefuse(telling, () => this.#begin(exchange, fields)),
    };
  }

  /** Works on the exchange that began. */
  during<T>(work: (work: Work<Configured>) => T): T {
    return orRefuse(this.#telling, () => {
      if (this.#work === undefined) throw new Failure("called before begin");
      return work(this.#work);
    });
  }

  #begin(exchange: Exchange, fields: readonly Field[]): void {
    const configured = this.#configured;
    if (configured === undefined) throw new Failure("called before configure");
    configured.begin?.(exchange, fields);
    this.#work = { configured, exchange, fields };
  }
}
