import assert from "node:assert/strict";
import { test } from "node:test";

import { parseToml } from "../src/testing/toml.js";

function check(text: string, expected: unknown): void {
  assert.deepEqual(JSON.parse(JSON.stringify(parseToml(text))), expected, text);
}

test("values", () => {
  check('a = "x\\t\\"\\u00e9\\U0001F600" # c', { a: 'x\t"é😀' });
  check("a = 'C:\\x'", { a: "C:\\x" });
  check('a = """\none\ntwo\\\n   three"" """', { a: 'one\ntwothree"" ' });
  check("a = '''it's'''", { a: "it's" });
  check("a = 1_000\nb = -2.5e3\nc = 0x_f".replace("0x_f", "0xf"), { a: 1000, b: -2500, c: 15 });
  check("a = true\nb = false", { a: true, b: false });
  check("a = [1, 2, # c\n 3,\n]", { a: [1, 2, 3] });
  check("a = []\nb = {}", { a: [], b: {} });
  check('a = { b = 1, "c d" = [{ e.f = 2 }] }', { a: { b: 1, "c d": [{ e: { f: 2 } }] } });
});

test("tables", () => {
  check("[a]\nb = 1\n[a.c]\nd = 2\n[[e]]\nf = 1\n[[e.g]]\n[[e]]\nf = 2", {
    a: { b: 1, c: { d: 2 } },
    e: [{ f: 1, g: [{}] }, { f: 2 }],
  });
  check("a.b.c = 1\na.b.d = 2\r\n", { a: { b: { c: 1, d: 2 } } });
  check("[a.b]\nc = 1\n[a]\nd = 2", { a: { b: { c: 1 }, d: 2 } });
  check("", {});
});

test("slips are refused, with their line", () => {
  for (const text of [
    "a = ",
    "a = 1 b = 2",
    "a = 1\na = 2",
    "[a]\n[a]",
    "a = {}\n[a]",
    "a = {}\na.b = 1",
    "a = []\n[[a]]",
    "[[a]]\n[a]\n[a]",
    "a = 1\n[a.b]",
    'a = "x',
    'a = "x\ny"',
    'a = "\\q"',
    "a = 01",
    "a = 1__0",
    "a = 2026-11-23",
    "a = [1 2]",
    "a = {b = 1",
    "= 1",
    "[a",
  ]) {
    assert.throws(() => parseToml(text), SyntaxError, text);
  }
  assert.throws(() => parseToml("a = 1\n\nb = ?"), /line 3/);
});
