// Many texts in one flat buffer, the interface's form for them: text `i` is `data[offsets[i]..offsets[i + 1]]`.

import { Failure } from "./failure.js";
import { byteLength, bytesAsUnits, decodeUnits, encodeUtf8, isAscii } from "./utf8.js";
import type { U32List, WireValues } from "./wire.js";

/**
 * The texts in flat form.
 *
 * @throws Failure if one has half a surrogate pair.
 */
export function packTexts(texts: readonly string[]): WireValues {
  const offsets = new Array<number>(texts.length + 1);
  offsets[0] = 0;
  let end = 0;
  texts.forEach((text, index) => {
    end += byteLength(text);
    offsets[index + 1] = end;
  });
  return { offsets, data: encodeUtf8(texts.join("")) };
}

/**
 * The texts of a flat form, as many as `count` says.
 *
 * @throws Failure if the parts do not fit each other, or a text is not UTF-8.
 */
export function unpackTexts(offsets: U32List, data: Uint8Array, count: number): string[] {
  checkOffsets(offsets, data.length, count);
  const units = bytesAsUnits(data);
  const allAscii = isAscii(units);
  const texts = new Array<string>(count);
  for (let index = 0; index < count; index += 1) {
    const text = units.slice(offsets[index], offsets[index + 1]);
    texts[index] = allAscii ? text : decodeUnits(text);
  }
  return texts;
}

function checkOffsets(offsets: U32List, dataLength: number, count: number): void {
  if (offsets.length !== count + 1) throw new Failure("the offsets do not fit the number of values");
  const endsFit = offsets[0] === 0 && offsets[count] === dataLength;
  for (let index = 0; index < count; index += 1) {
    if (offsets[index]! > offsets[index + 1]!) throw new Failure("the offsets do not ascend");
  }
  if (!endsFit) throw new Failure("the offsets do not fit the data");
}
