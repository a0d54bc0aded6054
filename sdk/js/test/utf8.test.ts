import assert from "node:assert/strict";
import { test } from "node:test";

import { Failure } from "@grille/sdk";
import { byteLength, decodeUtf8, encodeUtf8 } from "@grille/sdk/utf8";

const TEXTS = ["", "plain", "é", "a\u0000b", "߿", "ࠀ", "퟿", "", "￿", "😀 and é", "\u{10ffff}", "x".repeat(10_000) + "é"];

test("what is encoded is decoded again, and is what others encode", () => {
  for (const text of TEXTS) {
    const bytes = encodeUtf8(text);
    assert.deepEqual(Buffer.from(bytes), Buffer.from(text), text);
    assert.equal(decodeUtf8(bytes), text);
    assert.equal(byteLength(text), bytes.length);
  }
});

test("every sequence of up to four odd bytes is judged as others judge it", () => {
  const odd = [0x00, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5];
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const outcome = (decode: () => string) => {
    try {
      return decode();
    } catch {
      return undefined;
    }
  };
  const check = (bytes: number[]) => {
    const data = Uint8Array.from(bytes);
    const same = outcome(() => decodeUtf8(data)) === outcome(() => decoder.decode(data));
    if (!same) assert.fail(bytes.join(" "));
    if (bytes.length < 4) for (const byte of odd) check([...bytes, byte]);
  };
  check([]);
});

test("half a surrogate pair is no text", () => {
  for (const text of ["\ud83d", "a\ude00", "\ude00\ud83d", "😀\ud83d"]) {
    assert.throws(() => encodeUtf8(text), Failure);
    assert.throws(() => byteLength(text), Failure);
  }
});
