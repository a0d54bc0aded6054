//! The one door to libpg_query's parser: how much stack it is given, how its errors are read, and how much runs at once.
//!
//! The C parser watches its own stack, but the tree crosses into Rust as protobuf, and each level of it takes some
//! [`LEVEL_BYTES`] of stack to decode. A stack overflow ends the process, so nothing is parsed on a stack of unknown size:
//! how deep a tree can be is told from the text's tokens (`depth`), and where the caller's stack is too small for that, the
//! work is done on a thread with a stack for it.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pg_query::ParserOptions;
use pg_query::protobuf::RawStmt;

use super::depth;
use super::strings::{Sql, Strings};
use super::syntax::SyntaxError;
use super::text::{DISAGREE, SCANNED_END, Tokens};
use super::{AnalyzeError, walk};

/// The stack that [`analyze`](super::analyze) needs for trees of `SHALLOW_LEVELS`, in bytes: twice what they were seen to
/// take. Deeper ones are read on threads of their own.
pub const STACK_BYTES: usize = 16 << 20;

/// Deepest tree that is read on a stack of [`STACK_BYTES`], in levels: some 70 nested operators, or 10 sub-selects. Nearly
/// all statements are under it.
pub(crate) const SHALLOW_LEVELS: usize = 160;

/// Stack for each level of a deeper tree, in bytes. Decoding takes most of it.
#[cfg(not(fuzzing))]
const LEVEL_BYTES: usize = 48 << 10;

/// Sanitizers put room between what is on the stack.
#[cfg(fuzzing)]
const LEVEL_BYTES: usize = 192 << 10;

/// SQL of more tokens than this is analysed one message at a time, so that the memory of many does not add up.
const LARGE_TOKENS: usize = 10_000;

/// So is SQL whose tree may be deeper than this: it takes some 20 MB of stack.
const LARGE_LEVELS: usize = 500;

/// Deepest tree that is looked for in a definition that is read while a statement is traced: nobody takes turns there.
const DEFINITION_LEVELS_MAX: usize = 2_500;

/// So many bytes of a literal take about as much memory as the tree of a token.
pub(crate) const LITERAL_BYTES_A_TOKEN: usize = 100;

static LARGE: Mutex<()> = Mutex::new(());

thread_local! {
    static STACK_IS_LARGE: Cell<bool> = const { Cell::new(false) };
}

/// Says that the calling thread was made with a stack of [`STACK_BYTES`] or more. [`analyze`](super::analyze) then runs on
/// it, but for the deepest statements, else on a thread that it starts for the purpose, which costs some 100 µs. To be called
/// first thing on each worker thread of a runtime; a thread that says so wrongly can be made to overflow its stack.
pub fn declare_large_stack() {
    STACK_IS_LARGE.set(true);
}

/// What a text takes to be read, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) tokens: usize,
    /// Of its tree.
    pub(crate) levels: usize,
}

impl Size {
    /// Of what needs no more than [`STACK_BYTES`] and no turn.
    pub(crate) const SMALL: Self = Self { tokens: 0, levels: 0 };

    /// Scans the text for it.
    fn of(sql: Sql<'_>) -> Self {
        match Tokens::scan(sql) {
            Ok(tokens) => Self::of_tokens(&tokens),
            Err(_) => Self::of_any(sql.text.len()),
        }
    }

    /// Of a text with these tokens.
    pub(crate) fn of_tokens(tokens: &Tokens<'_>) -> Self {
        Self { tokens: tokens.len(), levels: tokens.levels() }
    }

    /// Of any text of so many bytes.
    pub(crate) fn of_any(bytes: usize) -> Self {
        Self { tokens: bytes, levels: depth::levels_of_any(bytes) }
    }

    /// Whether it is read at once and where the caller is, if that has declared its stack.
    pub(crate) fn is_small(self) -> bool {
        self.levels <= SHALLOW_LEVELS && self.tokens <= LARGE_TOKENS
    }

    fn stack_bytes(self) -> usize {
        if self.levels <= SHALLOW_LEVELS { STACK_BYTES } else { STACK_BYTES + self.levels * LEVEL_BYTES }
    }

    /// To be held while the tree is in memory.
    fn turn(self) -> Option<MutexGuard<'static, ()>> {
        let is_large = self.tokens > LARGE_TOKENS || self.levels > LARGE_LEVELS;
        is_large.then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does the work where there is stack enough for a tree of that size.
pub(crate) fn on_stack_for<T: Send>(size: Size, work: impl FnOnce() -> T + Send) -> Result<T, AnalyzeError> {
    if STACK_IS_LARGE.get() && size.levels <= SHALLOW_LEVELS {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(size.stack_bytes());
        let thread = thread.spawn_scoped(scope, || {
            declare_large_stack();
            work()
        });
        let thread = thread.map_err(|_| AnalyzeError::Internal { reason: "no thread to be had" })?;
        thread.join().map_err(|_| AnalyzeError::Internal { reason: "the analysis panicked" })
    })
}

/// To be held while so many tokens are in memory.
pub(crate) fn turn(tokens: usize) -> Option<MutexGuard<'static, ()>> {
    Size { tokens, levels: 0 }.turn()
}

/// Works on the statements of a text, which holds no NUL, and is of that size. Large ones wait for their turn.
///
/// # Errors
/// The parser's, and those of the work.
pub(crate) fn with_tree<T: Send>(
    sql: Sql<'_>,
    size: Size,
    work: impl FnOnce(&[RawStmt]) -> Result<T, AnalyzeError> + Send,
) -> Result<T, AnalyzeError> {
    let _turn = size.turn();
    on_stack_for(size, || work(&parse(sql)?))?
}

/// The same for a text whose size is not known yet. The work is told it.
pub(crate) fn with_tree_of<T: Send>(
    sql: Sql<'_>,
    work: impl FnOnce(&[RawStmt], Size) -> Result<T, AnalyzeError> + Send,
) -> Result<T, AnalyzeError> {
    let size = {
        let _turn = turn(sql.text.len() / LITERAL_BYTES_A_TOKEN);
        Size::of(sql)
    };
    with_tree(sql, size, |statements| work(statements, size))
}

/// The statements of a definition, to be called by what is itself on a large stack, and may have a turn. What is returned can
/// be gone through on what is left of that.
///
/// # Errors
/// The parser's; the tree is deeper than that.
pub(crate) fn parse_definition(text: &str) -> Result<Vec<RawStmt>, AnalyzeError> {
    let sql = Sql::standard(text);
    let size = Size::of(sql);
    if size.levels <= SHALLOW_LEVELS {
        return parse(sql);
    }
    if size.levels > DEFINITION_LEVELS_MAX {
        return Err(AnalyzeError::TooDeep);
    }
    on_stack_for(size, || {
        let statements = parse(sql)?;
        let is_shallow = walk::levels(&statements)? <= SHALLOW_LEVELS;
        is_shallow.then_some(statements).ok_or(AnalyzeError::TooDeep)
    })?
}

/// The error of a text, which holds no NUL, that the scanner cannot read.
pub(crate) fn error_of(sql: Sql<'_>) -> AnalyzeError {
    with_tree(sql, Size::of_any(sql.text.len()), |_| Ok(())).err().unwrap_or(DISAGREE)
}

/// The statements of a text. The caller sees to the stack.
fn parse(sql: Sql<'_>) -> Result<Vec<RawStmt>, AnalyzeError> {
    pg_parse(sql).map_err(|error| match error {
        pg_query::Error::Parse(message) => parse_error(sql, message),
        pg_query::Error::Conversion(_) => AnalyzeError::Nul,
        pg_query::Error::Decode(_)
        | pg_query::Error::InvalidJson(_)
        | pg_query::Error::InvalidPointer
        | pg_query::Error::Scan(_)
        | pg_query::Error::IsUtility(_)
        | pg_query::Error::Split(_) => AnalyzeError::Internal { reason: "the parse tree cannot be read" },
    })
}

/// What the client is told about SQL that the scanner could not read, if the parser is not to be asked.
pub(crate) fn unscannable(sql: Sql<'_>, error: &pg_query::Error) -> AnalyzeError {
    let pg_query::Error::Scan(message) = error else { return DISAGREE };
    // A list of so many tokens would be longer than the C code allows anything to be.
    if message.starts_with("invalid memory alloc request size") {
        return AnalyzeError::TooManyTokens;
    }
    // Where the text's end is quoted, so is what was put after it.
    let message = match message.strip_suffix('"').and_then(|message| message.strip_suffix(SCANNED_END)) {
        Some(message) => format!("{message}\""),
        None => message.clone(),
    };
    parse_error(sql, message)
}

fn pg_parse(sql: Sql<'_>) -> Result<Vec<RawStmt>, pg_query::Error> {
    let options = match sql.strings {
        Strings::Standard => ParserOptions::DEFAULT,
        // The warning would go nowhere; the client has the server's.
        Strings::Escaped => {
            ParserOptions::DISABLE_STANDARD_CONFORMING_STRINGS | ParserOptions::DISABLE_ESCAPE_STRING_WARNING
        }
    };
    let parsed = pg_query::parse(sql.text, options);
    if parsed.is_err() && options != ParserOptions::DEFAULT {
        // An error leaves libpg_query's settings of the thread as they were for this text, and the scanner goes by them.
        let reset = pg_query::parse(";", ParserOptions::DEFAULT);
        debug_assert!(reset.is_ok());
    }
    Ok(parsed?.protobuf.stmts)
}

fn parse_error(sql: Sql<'_>, message: String) -> AnalyzeError {
    // Three guards of the parser against depth: of its C stack, of the tree's encoding, of the grammar's own stack.
    let deep =
        ["stack depth limit exceeded", "parse tree is nested too deeply", "memory exhausted at or near"];
    if deep.iter().any(|guard| message.starts_with(guard)) {
        return AnalyzeError::TooDeep;
    }
    // Texts that are read to find the place are parts of one that did not overflow anything.
    let reparse = |part: &str| match pg_parse(sql.part(part)) {
        Err(pg_query::Error::Parse(message)) => Some(message),
        Ok(_) | Err(_) => None,
    };
    AnalyzeError::Syntax(Box::new(SyntaxError::of(sql, message, &reparse)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::analyze;

    /// Statements that nest in every way the grammar knows, `n` levels each.
    fn nested(n: usize) -> Vec<String> {
        let around =
            |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(n), close.repeat(n));
        vec![
            format!("SELECT {}", around("1+", "1", "")),
            format!("SELECT {}", around("(", "1", ")")),
            format!("SELECT {}", around("a OR ", "a", "")),
            format!("SELECT {}", around("a AND (b OR ", "a", ")")),
            format!("SELECT {}", around("NOT ", "a", "")),
            format!("SELECT {}", around("- ", "a", "")),
            format!("SELECT {}", around("f(", "a", ")")),
            format!("SELECT {}", around("ARRAY[", "a", "]")),
            format!("SELECT {}", around("CASE WHEN ", "a", " THEN b END")),
            format!("SELECT {}", around("ROW(", "a", ", 1)")),
            format!("SELECT a{}", around("::text", "", "")),
            format!("SELECT a{}", around("[1]", "", "")),
            format!("SELECT a{}", around(" IS NULL", "", "")),
            format!("SELECT a{}", around(" COLLATE \"C\"", "", "")),
            around("SELECT (", "SELECT 1", ")"),
            around("SELECT 1 UNION ALL ", "SELECT 1", ""),
            around("WITH x AS (", "SELECT 1", ") SELECT 1"),
            format!("SELECT * FROM {}", around("(SELECT * FROM ", "t", ") x")),
            format!("SELECT * FROM {}", around("t NATURAL JOIN ", "t", "")),
            format!("SELECT * FROM {}", around("(t CROSS JOIN ", "t", ")")),
            format!("EXPLAIN {}", around("(", "SELECT 1", ")")),
            format!("SELECT {}1", "/*".repeat(n) + &"*/".repeat(n)),
        ]
    }

    /// Runs the test on a thread with half of the declared stack.
    fn on_half_the_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES / 2);
            let thread = thread.spawn_scoped(scope, || {
                declare_large_stack();
                work()
            });
            thread.expect("a thread").join().expect("no panic")
        })
    }

    #[test]
    fn no_depth_overflows_half_the_stack() {
        for n in [16, 48, 97, 1_000, 4_990, 20_000] {
            for sql in nested(n) {
                let result = on_half_the_stack(|| analyze(&sql));
                assert!(!matches!(result, Err(AnalyzeError::Internal { .. })), "{sql:.60} {result:?}");
            }
        }
    }

    /// Every tree fits into the bound that its tokens give, and those of common nesting not by much.
    #[test]
    fn no_tree_is_deeper_than_its_tokens_allow() {
        for n in [1, 2, 10, 300] {
            for sql in nested(n) {
                let sql = Sql::standard(&sql);
                let size = Size::of(sql);
                let levels = with_tree(sql, size, walk::levels);
                let levels = levels.unwrap_or_else(|error| panic!("{error}: {:.60}", sql.text));
                assert!(levels <= size.levels, "{levels} > {}: {:.60}", size.levels, sql.text);
            }
        }
    }

    #[test]
    fn what_is_nested_too_deeply_says_so() {
        let deep = |sql: &str| matches!(analyze(sql), Err(AnalyzeError::TooDeep));
        for sql in nested(1_500) {
            assert!(!deep(&sql), "{sql:.60}");
        }
        // Parentheses, OR chains, subscripts and comments do not nest in the tree; the grammar's own stack bounds the first.
        let shallow = ["SELECT ((", "SELECT a OR", "SELECT a[1]", "EXPLAIN ((", "SELECT /*"];
        for sql in nested(15_000) {
            let is_shallow = shallow.iter().any(|start| sql.starts_with(start));
            assert!(is_shallow || deep(&sql), "{sql:.60}");
        }
        assert!(deep(&nested(40_000)[1]));
    }

    #[test]
    fn a_thread_is_made_where_none_is_large() {
        let before = std::thread::current().id();
        let there = on_stack_for(Size::SMALL, || std::thread::current().id()).expect("a thread");
        assert_ne!(before, there);
    }

    #[test]
    fn a_panic_is_an_error() {
        let panicked = on_stack_for(Size::SMALL, || panic!("on purpose"));
        assert_eq!(panicked, Err::<(), _>(AnalyzeError::Internal { reason: "the analysis panicked" }));
    }

    /// libpg_query has code that points the process's descriptor 2 at a pipe while it parses, which threads that parse at
    /// once would do to each other's pipes. Release 18.1 is built without it; this tells when one is not.
    #[cfg(target_os = "linux")]
    #[test]
    fn parsing_leaves_standard_error_alone() {
        let standard_error = || std::fs::read_link("/proc/self/fd/2").expect("a descriptor 2");
        let before = standard_error();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| drop(parse(Sql::standard("SELECT 1")))));
            }
            (0..500).for_each(|_| assert_eq!(standard_error(), before));
        });
        assert_eq!(standard_error(), before);
    }
}
