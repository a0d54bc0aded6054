// The little that this policy reads from a statement's text, where the host's parser says nothing of it: whether it takes all
// columns, and whether it limits its rows. Errs on the side of a row cap. What a statement does is for the parser to say.

/** Whether somewhere all columns are taken: `SELECT *`, `t.*`, `RETURNING *`; not `count(*)`, nor a product. */
export function takesAllColumns(text: string): boolean {
  // Most statements have no star, and to take one apart takes an interpreter its time.
  if (!text.includes("*")) return false;
  const words = tokens(text);
  return words.some((word, at) => word === "*" && words[at - 1] !== "(" && endsColumn(words[at + 1]));
}

/** Whether the statement itself, not a part in parentheses, has a LIMIT or FETCH FIRST. */
export function limitsRows(text: string): boolean {
  const words = tokens(text);
  let depth = 0;
  return words.some((word, at) => {
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    return depth === 0 && isLimit(word, words[at + 1]);
  });
}

function isLimit(word: string, next: string | undefined): boolean {
  if (word === "limit") return next !== "all" && next !== "null";
  return word === "fetch" && (next === "first" || next === "next");
}

/** What may follow a column of a SELECT list. */
const COLUMN_ENDS: ReadonlySet<string> = new Set(
  ", ) ; from into where group having window union intersect except order limit offset fetch for".split(" "),
);

function endsColumn(next: string | undefined): boolean {
  return next === undefined || COLUMN_ENDS.has(next);
}

/**
 * PostgreSQL's lexical structure (manual, section 4.1), as far as it matters where a word stands: white space, line comments,
 * strings of four kinds, names in quotes, parameters, words, and single characters. Block comments nest and are not here.
 */
const TOKEN =
  /\s+|--[^\n]*|[eE]'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$[^]*?\$\1\$|\$\d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[^]/y;

/** Words in lower case and everything else as it is, without space and comments. */
function tokens(text: string): string[] {
  const found: string[] = [];
  for (let at = 0; at < text.length; ) {
    const token = text.startsWith("/*", at) ? blockComment(text, at) : tokenAt(text, at);
    at += token.length;
    if (!isSpace(token)) found.push(token.startsWith('"') ? token : token.toLowerCase());
  }
  return found;
}

function tokenAt(text: string, at: number): string {
  TOKEN.lastIndex = at;
  return TOKEN.exec(text)![0];
}

/** A comment that does not end goes to the end of the text. */
function blockComment(text: string, from: number): string {
  const MARK = /\/\*|\*\//g;
  MARK.lastIndex = from;
  let depth = 0;
  for (let mark = MARK.exec(text); mark !== null; mark = MARK.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return text.slice(from, MARK.lastIndex);
  }
  return text.slice(from);
}

function isSpace(token: string): boolean {
  return token.trim() === "" || token.startsWith("--") || token.startsWith("/*");
}
