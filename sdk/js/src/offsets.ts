// From indexes into a string, as JavaScript counts (UTF-16 code units), to offsets into its bytes, as the interface counts.

import { byteLength, isAscii } from "./utf8.js";

/**
 * The byte offsets of one text. Remembers where it was and counts from there, either way: findings come mostly in order, so
 * that a whole text is counted once.
 */
export class ByteOffsets {
  readonly #text: string;
  readonly #isAscii: boolean;
  #index = 0;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
    this.#isAscii = isAscii(text);
  }

  /**
   * The byte offset of the character at `index`; `index` may be the text's length.
   *
   * @throws RangeError if it lies outside of the text or between the halves of a character.
   */
  at(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index > this.#text.length) {
      throw new RangeError(`${index} is no index into a text of length ${this.#text.length}`);
    }
    return this.#isAscii ? index : this.#count(index);
  }

  #count(index: number): number {
    if (this.#splitsPair(index)) throw new RangeError(`${index} is between the halves of a character`);
    const [from, to] = index < this.#index ? [index, this.#index] : [this.#index, index];
    const bytes = byteLength(this.#text.slice(from, to));
    this.#offset += index < this.#index ? -bytes : bytes;
    this.#index = index;
    return this.#offset;
  }

  #splitsPair(index: number): boolean {
    const before = this.#text.charCodeAt(index - 1);
    const after = this.#text.charCodeAt(index);
    return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
  }
}
