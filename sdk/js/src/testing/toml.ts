// Reads the TOML that `plugin.toml` is written in: everything of TOML 1.0 but dates and times, which it has no use for. Here so
// that a plugin's tests need no package but this one. What it does not know it refuses.

/** A value of a TOML document. */
export type TomlValue = string | number | boolean | TomlValue[] | TomlTable;

/** A table of a TOML document. */
export interface TomlTable {
  [key: string]: TomlValue;
}

/** Reads a document. */
export function parseToml(text: string): TomlTable {
  return new Parser(text.replaceAll("\r\n", "\n")).document();
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  '"': '"',
  "\\": "\\",
};

const NUMBERS: readonly [RegExp, (digits: string) => number][] = [
  [/^[+-]?(0|[1-9](_?[0-9])*)$/, Number],
  [/^0x[0-9a-fA-F](_?[0-9a-fA-F])*$/, Number],
  [/^0o[0-7](_?[0-7])*$/, Number],
  [/^0b[01](_?[01])*$/, Number],
  [/^[+-]?(0|[1-9](_?[0-9])*)(\.[0-9](_?[0-9])*)?([eE][+-]?[0-9](_?[0-9])*)?$/, Number],
  [/^[+-]?(inf|nan)$/, (word) => (word.endsWith("nan") ? NaN : word.startsWith("-") ? -Infinity : Infinity)],
];

class Parser {
  readonly #text: string;
  #at = 0;
  /** Tables that may not be opened again: named by a header, or written inline. */
  readonly #closed = new Set<TomlValue>();
  /** Arrays made by `[[…]]`, which alone may grow. */
  readonly #growing = new Set<TomlValue>();

  constructor(text: string) {
    this.#text = text;
  }

  document(): TomlTable {
    const root = newTable();
    let table = root;
    for (this.#skipLines(); this.#at < this.#text.length; this.#skipLines()) {
      if (this.#take("[[")) table = this.#grow(root, this.#header("]]"));
      else if (this.#take("[")) table = this.#open(root, this.#header("]"));
      else this.#pair(table);
      this.#endLine();
    }
    return root;
  }

  #header(end: string): string[] {
    const keys = this.#keys();
    this.#expect(end);
    return keys;
  }

  #open(root: TomlTable, keys: string[]): TomlTable {
    const table = this.#descend(root, keys);
    if (this.#closed.has(table)) throw this.#wrong(`[${keys.join(".")}] is there twice`);
    this.#closed.add(table);
    return table;
  }

  #grow(root: TomlTable, keys: string[]): TomlTable {
    const last = keys.pop()!;
    const parent = this.#descend(root, keys);
    const list = (parent[last] ??= this.#newGrowing());
    if (!this.#growing.has(list)) throw this.#wrong(`${last} is no array of tables`);
    const table = newTable();
    (list as TomlValue[]).push(table);
    this.#closed.add(table);
    return table;
  }

  #newGrowing(): TomlValue[] {
    const list: TomlValue[] = [];
    this.#growing.add(list);
    return list;
  }

  #descend(table: TomlTable, keys: readonly string[]): TomlTable {
    let place = table;
    for (const key of keys) {
      const next = (place[key] ??= newTable());
      const inner = this.#growing.has(next) ? (next as TomlValue[]).at(-1) : next;
      if (!isTable(inner)) throw this.#wrong(`${key} is no table`);
      place = inner;
    }
    return place;
  }

  #pair(table: TomlTable): void {
    const keys = this.#keys();
    this.#expect("=");
    this.#skipSpace();
    const last = keys.pop()!;
    const place = this.#descend(table, keys);
    if (Object.hasOwn(place, last)) throw this.#wrong(`${last} is there twice`);
    if (place !== table && this.#closed.has(place)) throw this.#wrong("a table that is complete grows no more");
    place[last] = this.#value();
  }

  #keys(): string[] {
    const keys = [];
    do {
      this.#skipSpace();
      keys.push(this.#key());
      this.#skipSpace();
    } while (this.#take("."));
    return keys;
  }

  #key(): string {
    if (this.#take('"')) return this.#basic();
    if (this.#take("'")) return this.#literal();
    return this.#match(/[A-Za-z0-9_-]+/y) ?? this.#fail("a key is missing");
  }

  #value(): TomlValue {
    if (this.#take('"""')) return this.#multiline('"""', true);
    if (this.#take("'''")) return this.#multiline("'''", false);
    if (this.#take('"')) return this.#basic();
    if (this.#take("'")) return this.#literal();
    if (this.#take("[")) return this.#array();
    if (this.#take("{")) return this.#inlineTable();
    return this.#word();
  }

  #word(): TomlValue {
    const word = this.#match(/[^\s,#\]}]+/y) ?? this.#fail("a value is missing");
    if (word === "true" || word === "false") return word === "true";
    for (const [shape, read] of NUMBERS) {
      if (shape.test(word)) return read(word.replaceAll("_", ""));
    }
    throw this.#wrong(`${word} is no value (dates and times are not read here)`);
  }

  #array(): TomlValue[] {
    const list: TomlValue[] = [];
    for (this.#skipLines(); !this.#take("]"); this.#skipLines()) {
      if (list.length > 0) {
        this.#expect(",");
        this.#skipLines();
        if (this.#take("]")) break;
      }
      list.push(this.#value());
    }
    return list;
  }

  #inlineTable(): TomlTable {
    const table = newTable();
    this.#skipSpace();
    if (!this.#take("}")) {
      do this.#pair(table);
      while ((this.#skipSpace(), this.#take(",")));
      this.#expect("}");
    }
    this.#closed.add(table);
    return table;
  }

  #basic(): string {
    let text = "";
    while (!this.#take('"')) {
      if (this.#text[this.#at] === "\n") throw this.#wrong("a string does not end on its line");
      text += this.#character(true);
    }
    return text;
  }

  #literal(): string {
    const text = this.#match(/[^'\n]*/y) ?? "";
    this.#expect("'");
    return text;
  }

  #multiline(end: string, escapes: boolean): string {
    this.#take("\n");
    let text = "";
    // Up to two quotes may stand before those that end it.
    while (!this.#text.startsWith(end, this.#at) || this.#text.startsWith(end, this.#at + 1)) {
      text += escapes && this.#match(/\\[ \t]*\n[ \t\n]*/y) !== undefined ? "" : this.#character(escapes);
    }
    this.#at += end.length;
    return text;
  }

  #character(escapes: boolean): string {
    if (this.#at >= this.#text.length) throw this.#wrong("a string does not end");
    const character = this.#text[this.#at++]!;
    return escapes && character === "\\" ? this.#escape() : character;
  }

  #escape(): string {
    const digits = this.#match(/u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}/y);
    if (digits !== undefined) return String.fromCodePoint(Number.parseInt(digits.slice(1), 16));
    const character = this.#text[this.#at++] ?? "";
    return ESCAPES[character] ?? this.#fail(`\\${character} stands for nothing`);
  }

  #skipSpace(): void {
    this.#match(/[ \t]*/y);
  }

  #skipLines(): void {
    this.#match(/(?:[ \t\n]|#[^\n]*)*/y);
  }

  #endLine(): void {
    this.#match(/[ \t]*(?:#[^\n]*)?/y);
    if (this.#at < this.#text.length) this.#expect("\n");
  }

  #take(text: string): boolean {
    const there = this.#text.startsWith(text, this.#at);
    if (there) this.#at += text.length;
    return there;
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw this.#wrong(`expected ${JSON.stringify(text)}`);
  }

  #match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(message: string): never {
    throw this.#wrong(message);
  }

  #wrong(message: string): SyntaxError {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    return new SyntaxError(`line ${line}: ${message}`);
  }
}

/** Without a prototype: a key may be called `constructor`. */
function newTable(): TomlTable {
  return Object.create(null) as TomlTable;
}

function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === "object" && !Array.isArray(value);
}
