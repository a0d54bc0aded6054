// Reads values of `plugin.toml` as what they must be. Says where something is wrong; refuses keys it does not know, as the
// builder of components does.

import type { TomlTable, TomlValue } from "./toml.js";

/** A table whose keys are taken one by one; what is left over is a slip. */
export class Shape {
  readonly #place: string;
  readonly #table: TomlTable;
  readonly #left: Set<string>;

  constructor(place: string, value: TomlValue | undefined) {
    if (typeof value !== "object" || Array.isArray(value)) throw new TypeError(`${place} must be a table`);
    this.#place = place;
    this.#table = value;
    this.#left = new Set(Object.keys(value));
  }

  string(key: string): string {
    return this.optionalString(key) ?? this.#missing(key);
  }

  optionalString(key: string): string | undefined {
    const value = this.#take(key);
    if (value !== undefined && typeof value !== "string") throw this.#wrong(key, "a string");
    return value;
  }

  number(key: string): number {
    return this.optionalNumber(key) ?? this.#missing(key);
  }

  optionalNumber(key: string): number | undefined {
    const value = this.#take(key);
    if (value !== undefined && typeof value !== "number") throw this.#wrong(key, "a number");
    return value;
  }

  strings(key: string): string[] {
    return this.#list(key).map((value) => {
      if (typeof value !== "string") throw this.#wrong(key, "a list of strings");
      return value;
    });
  }

  /** A list of tables, each read by `read`; left out, it is empty. */
  tables<T>(key: string, read: (shape: Shape) => T): T[] {
    return this.#list(key).map((value, index) => readAll(`${this.#place}${key}[${index}]`, value, read));
  }

  /** Any value, where it is there. */
  any(key: string): TomlValue | undefined {
    return this.#take(key);
  }

  /** Refuses what was not taken. */
  end(): void {
    for (const key of this.#left) throw new TypeError(`${this.#place}${key} is not known`);
  }

  #list(key: string): TomlValue[] {
    const value = this.#take(key) ?? [];
    if (!Array.isArray(value)) throw this.#wrong(key, "a list");
    return value;
  }

  #take(key: string): TomlValue | undefined {
    this.#left.delete(key);
    return this.#table[key];
  }

  #missing(key: string): never {
    throw new TypeError(`${this.#place}${key} is missing`);
  }

  #wrong(key: string, expected: string): TypeError {
    return new TypeError(`${this.#place}${key} must be ${expected}`);
  }
}

/** Reads a table and refuses what `read` did not take. */
export function readAll<T>(place: string, value: TomlValue | undefined, read: (shape: Shape) => T): T {
  const shape = new Shape(place === "" ? "" : `${place}.`, value);
  const result = read(shape);
  shape.end();
  return result;
}
