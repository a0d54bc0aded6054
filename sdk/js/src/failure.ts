// How a plugin says that something is wrong: with its settings, or with its work.

/**
 * The plugin cannot do its work; throw it. The host then fails closed. The client never sees the message, the operator does:
 * it must not repeat cell contents.
 */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** What is wrong with the settings. */
export interface Diagnostic {
  /** An RFC 6901 pointer into the settings (`/deny/objects/0`); empty for the whole. */
  readonly pointer: string;
  /** One sentence for the operator. */
  readonly message: string;
}

/**
 * Everything that is wrong with the settings. Collect, then throw:
 *
 * ```ts
 * const wrong = new Diagnostics();
 * if (settings.prefix === "") wrong.add("/prefix", "five digits alone could be anything");
 * wrong.throwIfAny();
 * ```
 */
export class Diagnostics extends Error {
  override readonly name = "Diagnostics";
  readonly list: Diagnostic[] = [];

  /** A complaint about the value that `pointer` points to. */
  add(pointer: string, message: string): this {
    this.list.push({ pointer, message });
    this.message = this.list.map((one) => `settings${one.pointer}: ${one.message}`).join("; ");
    return this;
  }

  /** Ends `configure` if there is anything to complain about. */
  throwIfAny(): void {
    if (this.list.length > 0) throw this;
  }
}
