import assert from "node:assert/strict";
import { test } from "node:test";

import { limitsRows, takesAllColumns } from "../src/text.js";

test("a star that stands for columns is told from others", () => {
  for (const text of [
    "SELECT * FROM t",
    "select*from t",
    "SELECT t.* , u.a FROM t",
    "SELECT a, (t).* FROM t",
    "SELECT DISTINCT ON (a) * FROM t",
    "SELECT a FROM (SELECT * FROM t) s",
    "DELETE FROM t RETURNING *",
    "SELECT /* not /* yet */ a */ * FROM t",
    "SELECT $1 AS \"a\"\"\", * FROM t",
    "TABLE t; SELECT *;",
  ]) {
    assert.equal(takesAllColumns(text), true, text);
  }
  for (const text of [
    "",
    "SELECT count(*) FROM t",
    "SELECT a * b FROM t",
    "SELECT a * $1 FROM t",
    "SELECT '* from t' FROM t",
    "SELECT E'\\'* from t' FROM t",
    "SELECT $$ * from $$, $x$ $$ * from $x$ FROM t",
    'SELECT "* from" FROM t',
    "SELECT a -- * from\nFROM t",
    "SELECT a /* * from",
  ]) {
    assert.equal(takesAllColumns(text), false, text);
  }
});

test("only the statement's own limit counts", () => {
  for (const text of [
    "SELECT * FROM t LIMIT $1",
    "SELECT * FROM t limit\n10",
    "SELECT * FROM t OFFSET $1 FETCH FIRST $2 ROWS ONLY",
    "SELECT * FROM (SELECT 1) s LIMIT $1",
  ]) {
    assert.equal(limitsRows(text), true, text);
  }
  for (const text of [
    "SELECT * FROM t",
    "SELECT * FROM t LIMIT ALL",
    "SELECT * FROM t LIMIT NULL",
    "SELECT * FROM (SELECT * FROM u LIMIT 1) s, t",
    'SELECT "limit" FROM t',
    "SELECT * FROM t -- LIMIT 1",
    "SELECT * FROM t /* LIMIT 1 */",
    "SELECT 'limit 1' FROM t",
  ]) {
    assert.equal(limitsRows(text), false, text);
  }
});
