// `{{id}}`: keeps the shape of a value and nothing else.

import { masker } from "@grille/sdk";

/** What the operator may set; `settings.schema.json` says the same. */
export type Settings = Record<string, never>;

/** A longer value has no shape worth keeping, and a call has but a quarter of a second. */
const LONGEST = 4096;

const UPPER = /\p{Lu}/u;
const LETTER = /\p{L}/u;
const NUMBER = /\p{N}/u;

/** What stands for a character. */
function shape(character: string): string {
  if (character >= "0" && character <= "9") return "0";
  if (character >= "A" && character <= "Z") return "X";
  if (character >= "a" && character <= "z") return "x";
  if (character < "\u0080") return character;
  if (UPPER.test(character)) return "X";
  if (LETTER.test(character)) return "x";
  return NUMBER.test(character) ? "0" : character;
}

export default masker((_settings: Settings) => ({
  mask({ text }) {
    if (text.length > LONGEST) return "…";
    return Array.from(text, shape).join("");
  },
}));
