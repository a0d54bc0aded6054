// A policy's word on a statement, and what must be done if the statement runs.

import type { Attribute } from "./exchange.js";

/** A policy's word on a statement. */
export type Verdict =
  /** Run it. */
  | { readonly kind: "allow" }
  /** Do not run it; the reason is shown to the client. */
  | { readonly kind: "deny"; readonly reason: string }
  /** Run it once somebody has approved it. */
  | { readonly kind: "hold"; readonly approval: Approval }
  /** Run this statement instead. */
  | { readonly kind: "rewrite"; readonly statement: string };

/** What an approver is asked. */
export interface Approval {
  /** Shown to approver and client. */
  readonly reason: string;
  /** Groups that may approve; left out or empty leaves it to the role. */
  readonly approvers?: readonly string[];
  /** How long the request stands, in seconds; at most {@link STANDS_FOR_S_MAX} count. By default an hour. */
  readonly standsForS?: number;
}

/** How long a request stands unless the policy says otherwise, in seconds. */
export const STANDS_FOR_S_DEFAULT = 3600;

/** 68 years: the engine hands over whole numbers of 31 bits. */
export const STANDS_FOR_S_MAX = 2 ** 31 - 1;

/** A verdict with obligations; a decision never changes, `with…` makes another. */
export class Decision {
  /** The policy's word. */
  readonly verdict: Verdict;
  /** Key and value; a host that cannot honour one denies. */
  readonly obligations: readonly Attribute[];

  private constructor(verdict: Verdict, obligations: readonly Attribute[] = []) {
    this.verdict = verdict;
    this.obligations = obligations;
  }

  /** Run it. */
  static allow(): Decision {
    return new Decision({ kind: "allow" });
  }

  /** Do not run it. The reason is one sentence, shown to the client. */
  static deny(reason: string): Decision {
    return new Decision({ kind: "deny", reason });
  }

  /** Run it once somebody has approved it. */
  static hold(approval: Approval): Decision {
    return new Decision({ kind: "hold", approval });
  }

  /** Run this statement instead. */
  static rewrite(statement: string): Decision {
    return new Decision({ kind: "rewrite", statement });
  }

  /**
   * If it runs, it ends with an error after this many rows.
   *
   * @throws RangeError if that is no number of rows.
   */
  withRowCap(rows: number): Decision {
    if (!Number.isSafeInteger(rows) || rows < 0) throw new RangeError(`${rows} is no number of rows`);
    return this.#with("row-cap", String(rows));
  }

  /** If it runs, the column (`schema.table.column`) is treated so: `null`, `redact`, `keep-last:4`, `token`. */
  withMask(column: string, treatment: string): Decision {
    return this.#with("mask", `${column}=${treatment}`);
  }

  #with(key: string, value: string): Decision {
    return new Decision(this.verdict, [...this.obligations, { key, value }]);
  }
}
