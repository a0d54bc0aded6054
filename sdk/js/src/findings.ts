// Where a detector's findings are collected, and become what the interface has: byte offsets, bounded scores.

import { type Findings, type Label, SCORE_MAX, Support, SUPPORT_BITS } from "./detector.js";
import { ByteOffsets } from "./offsets.js";
import type { WireFinding } from "./wire.js";

/** The findings of one block. */
export class CollectedFindings implements Findings {
  /** What was found so far. */
  readonly found: WireFinding[] = [];
  #cell = 0;
  #text = "";
  /** Made when the first finding asks: most cells have none. */
  #offsets: ByteOffsets | undefined;

  /** The cell that comes under inspection next. */
  enter(index: number, text: string): void {
    this.#cell = index;
    this.#text = text;
    this.#offsets = undefined;
  }

  add(label: Label, start: number, end: number, score: number, support: Support = Support.NONE): void {
    if (!(start < end)) throw new RangeError(`a finding from ${start} to ${end} is empty`);
    if (!isCount(label)) throw new RangeError(`${label} is no label`);
    if (!(score >= 0)) throw new RangeError(`${score} is no score`);
    if (!isCount(support) || support > SUPPORT_BITS) throw new RangeError(`${support} is no support`);
    const offsets = (this.#offsets ??= new ByteOffsets(this.#text));
    this.found.push({
      cell: this.#cell,
      start: offsets.at(start),
      end: offsets.at(end),
      label,
      score: Math.min(Math.floor(score), SCORE_MAX),
      support,
    });
  }

  addMatch(label: Label, match: RegExpMatchArray, score: number, support: Support = Support.NONE): void {
    const start = match.index;
    if (start === undefined) throw new RangeError("a match of `match` with the flag g does not say where it is: use `matchAll`");
    this.add(label, start, start + match[0].length, score, support);
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}
