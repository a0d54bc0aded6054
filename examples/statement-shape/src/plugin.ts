// `grille/statement-shape`: judges statements by their shape, whatever they are about. The settings are in `settings`, the
// little that is read from the text in `text`; this file only puts them together.

import { type Action, Decision, fingerprint, type Fingerprint, policy, type Policy } from "@grille/sdk";

import { type Limits, limitsOf, type Settings } from "./settings.js";
import { limitsRows, takesAllColumns } from "./text.js";

export default policy((settings: Settings) => new StatementShape(limitsOf(settings)));

/** Ways to touch a relation that change its rows. */
const WRITES: ReadonlySet<string> = new Set(["insert", "update", "delete", "truncate"]);

/** How many names a reason repeats: it is one sentence. */
const NAMES_MAX = 4;

class StatementShape implements Policy {
  readonly #limits: Limits;
  /** Each denied fingerprint, and how the operator wrote it. */
  readonly #denied: ReadonlyMap<Fingerprint, string>;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#denied = new Map(limits.deniedFingerprints.map((written) => [fingerprint(written), written]));
  }

  decide(action: Action): Decision {
    const objection = this.#listed(action) ?? this.#writesTooWidely(action) ?? this.#readsTooMuch(action);
    if (objection !== undefined) return Decision.deny(this.#withHint(objection));
    return this.#isWideRead(action) ? Decision.allow().withRowCap(this.#limits.wideRowCap) : Decision.allow();
  }

  #listed(action: Action): string | undefined {
    const written = this.#denied.get(action.fingerprint);
    return written && `statement ${written} is on the list of denied statements`;
  }

  #writesTooWidely(action: Action): string | undefined {
    const names = relations(action, (access) => WRITES.has(access));
    const max = this.#limits.writtenRelationsMax;
    if (names.length <= max) return undefined;
    return `one statement writes to ${listing(names)}; ${atMost(max)}`;
  }

  #readsTooMuch(action: Action): string | undefined {
    const names = relations(action, (access) => access === "read");
    const max = this.#limits.readRelationsMax;
    if (names.length <= max) return undefined;
    return `one statement reads ${names.length} relations; ${atMost(max)}`;
  }

  #isWideRead(action: Action): boolean {
    if (!action.hasEffect("read")) return false;
    const count = relations(action, (access) => access === "read").length;
    return count >= this.#limits.wideRelationsMin || (takesAllColumns(action.text) && !limitsRows(action.text));
  }

  #withHint(reason: string): string {
    return this.#limits.hint === undefined ? reason : `${reason}; ${this.#limits.hint}`;
  }
}

/** The names of the relations that are touched so, each once. */
function relations(action: Action, isMeant: (access: string) => boolean): string[] {
  const meant = action.objects.filter(({ kind, access }) => kind === "relation" && isMeant(access));
  return [...new Set(meant.map(({ name }) => name))];
}

function listing(names: readonly string[]): string {
  const more = names.length - NAMES_MAX;
  return names.slice(0, NAMES_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function atMost(max: number): string {
  return max === 0 ? "none is allowed here" : `at most ${max} may be`;
}
