import assert from "node:assert/strict";
import { test } from "node:test";

import { Support } from "@grille/sdk";

import { CollectedFindings } from "../src/findings.js";

function place(text: string, start: number, end: number): [number, number] {
  const findings = new CollectedFindings();
  findings.enter(0, text);
  findings.add(0, start, end, 500);
  const [found] = findings.found;
  return [found!.start, found!.end];
}

test("indexes become byte offsets", () => {
  assert.deepEqual(place("abc", 1, 2), [1, 2]);
  assert.deepEqual(place("é😀z", 0, 4), [0, 7]);
  assert.deepEqual(place("é😀z", 1, 3), [2, 6]);
  assert.deepEqual(place("é😀z", 3, 4), [6, 7]);
});

test("findings may come in any order", () => {
  const text = "añ😀b€c".repeat(3);
  const indexes = Array.from(text, (_, index) => index).filter((index) => !/[\udc00-\udfff]/.test(text[index] ?? ""));
  const findings = new CollectedFindings();
  findings.enter(7, text);
  const shuffled = [...indexes].sort((a, b) => ((a * 7) % 11) - ((b * 7) % 11));
  for (const index of shuffled) findings.add(0, index, text.length, 1);
  const expected = shuffled.map((index) => Buffer.byteLength(text.slice(0, index)));
  assert.deepEqual(findings.found.map(({ start }) => start), expected);
  assert.ok(findings.found.every(({ cell, end }) => cell === 7 && end === Buffer.byteLength(text)));
});

test("a place that cannot be is refused", () => {
  for (const [start, end] of [[1, 1], [2, 1], [-1, 1], [0, 4], [0.5, 1], [NaN, 1], [0, 2], [2, 3]] as const) {
    assert.throws(() => place("a😀", start, end), RangeError, `${start} ${end}`);
  }
});

test("labels, scores and support that cannot be are refused, scores are bounded", () => {
  const findings = new CollectedFindings();
  findings.enter(0, "abc");
  assert.throws(() => findings.add(-1, 0, 1, 1), RangeError);
  assert.throws(() => findings.add(0.5, 0, 1, 1), RangeError);
  assert.throws(() => findings.add(0, 0, 1, -1), RangeError);
  assert.throws(() => findings.add(0, 0, 1, NaN), RangeError);
  assert.throws(() => findings.add(0, 0, 1, 1, 8), RangeError);
  findings.add(0, 0, 1, 2000.5, Support.CHECKED | Support.CONTEXT);
  assert.deepEqual(findings.found, [{ cell: 0, start: 0, end: 1, label: 0, score: 1000, support: 5 }]);
});

test("a match says where it is", () => {
  const findings = new CollectedFindings();
  findings.enter(0, "ü 12 ü 345");
  for (const match of "ü 12 ü 345".matchAll(/[0-9]+/g)) findings.addMatch(1, match, 10);
  assert.deepEqual(findings.found.map(({ start, end }) => [start, end]), [[3, 5], [9, 12]]);
  assert.throws(() => findings.addMatch(1, "12".match(/[0-9]/g)!, 10), /matchAll/);
});
