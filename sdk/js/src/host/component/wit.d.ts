// The interface's imports, as the component's engine offers them to modules.

declare module "grille:plugin/log@0.1.0" {
  const log: { write(level: number, message: string): void };
  export default log;
}

declare module "grille:plugin/clock@0.1.0" {
  const clock: { nowMs(): number };
  export default clock;
}

declare module "grille:plugin/state@0.1.0" {
  const state: {
    get(key: string): Uint8Array | null;
    set(key: string, value: Uint8Array, ttlMs: number): void;
    add(key: string, delta: number, windowMs: number): number;
  };
  export default state;
}

declare module "grille:plugin/keyed@0.1.0" {
  interface Values {
    readonly offsets: ArrayLike<number>;
    readonly data: Uint8Array;
  }
  const keyed: { transform(method: string, domain: string, input: Values): Values };
  export default keyed;
}

declare module "grille:plugin/egress@0.1.0" {
  interface Pair {
    readonly key: string;
    readonly value: string;
  }
  interface Reply {
    readonly status: number;
    readonly headers: readonly Pair[];
    readonly body: Uint8Array;
  }
  const egress: { fetch(method: string, url: string, headers: readonly Pair[], body: Uint8Array): Reply };
  export default egress;
}
