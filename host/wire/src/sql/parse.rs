//! The one door to libpg_query's parser: how much stack it is given, how its errors are read, and how much runs at once.
//!
//! The C parser watches its own stack, but the tree crosses into Rust as protobuf, and decoding one level of it takes up to
//! 40 KiB of stack in an optimised build: the 100 levels that the decoder allows need between 2 and 4 MiB, which is more
//! than a thread has by default. A stack overflow ends the process, so analysis never runs on a stack of unknown size.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pg_query::protobuf::RawStmt;

use super::AnalyzeError;
use super::syntax::SyntaxError;
use super::text::{DISAGREE, SCANNED_END};

/// The stack that [`analyze`](super::analyze) needs, in bytes: four times what the deepest statement was seen to take.
pub const STACK_BYTES: usize = 16 << 20;

/// SQL of more tokens than this is analysed one message at a time, so that the memory of many does not add up.
const LARGE_TOKENS: usize = 10_000;

/// So many bytes of a literal take about as much memory as the tree of a token.
pub(crate) const LITERAL_BYTES_A_TOKEN: usize = 100;

static LARGE: Mutex<()> = Mutex::new(());

thread_local! {
    static STACK_IS_LARGE: Cell<bool> = const { Cell::new(false) };
}

/// Says that the calling thread was made with a stack of [`STACK_BYTES`] or more. [`analyze`](super::analyze) then runs on
/// it, else on a thread that it starts for the purpose, which costs some 100 µs. To be called first thing on each worker
/// thread of a runtime; a thread that says so wrongly can be made to overflow its stack.
pub fn declare_large_stack() {
    STACK_IS_LARGE.set(true);
}

/// Does the work where there is stack enough for it.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, AnalyzeError> {
    if STACK_IS_LARGE.get() {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|_| AnalyzeError::Internal { reason: "no thread to be had" })?;
        thread.join().map_err(|_| AnalyzeError::Internal { reason: "the analysis panicked" })
    })
}

/// To be held while a tree of so many tokens is in memory.
pub(crate) fn turn(tokens: usize) -> Option<MutexGuard<'static, ()>> {
    (tokens > LARGE_TOKENS).then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The statements of `sql`, which holds no NUL.
pub(crate) fn parse(sql: &str) -> Result<Vec<RawStmt>, AnalyzeError> {
    pg_parse(sql).map_err(|error| match error {
        pg_query::Error::Parse(message) => parse_error(sql, message),
        pg_query::Error::Decode(error) if error.to_string().contains("recursion limit") => {
            AnalyzeError::TooDeep
        }
        pg_query::Error::Conversion(_) => AnalyzeError::Nul,
        pg_query::Error::Decode(_)
        | pg_query::Error::InvalidJson(_)
        | pg_query::Error::InvalidPointer
        | pg_query::Error::Scan(_)
        | pg_query::Error::IsUtility(_)
        | pg_query::Error::Split(_) => AnalyzeError::Internal { reason: "the parse tree cannot be read" },
    })
}

/// What the client is told about SQL that the scanner could not read.
pub(crate) fn unscannable(sql: &str, error: &pg_query::Error) -> AnalyzeError {
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

fn pg_parse(sql: &str) -> Result<Vec<RawStmt>, pg_query::Error> {
    Ok(pg_query::parse(sql, pg_query::ParserOptions::DEFAULT)?.protobuf.stmts)
}

fn parse_error(sql: &str, message: String) -> AnalyzeError {
    // Three guards of the parser against depth: of its C stack, of the tree's encoding, of the grammar's own stack.
    let deep =
        ["stack depth limit exceeded", "parse tree is nested too deeply", "memory exhausted at or near"];
    if deep.iter().any(|guard| message.starts_with(guard)) {
        return AnalyzeError::TooDeep;
    }
    // Texts that are read to find the place are parts of one that did not overflow anything.
    let reparse = |part: &str| match pg_parse(part) {
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

    #[test]
    fn depth_is_refused_and_never_overflows_half_the_stack() {
        for n in [16, 48, 97, 1_000, 20_000] {
            for sql in nested(n) {
                std::thread::scope(|scope| {
                    let thread = std::thread::Builder::new().stack_size(STACK_BYTES / 2);
                    let thread = thread.spawn_scoped(scope, || {
                        declare_large_stack();
                        analyze(&sql)
                    });
                    let result = thread.expect("a thread").join().expect("no panic");
                    assert!(!matches!(result, Err(AnalyzeError::Internal { .. })), "{sql:.60}");
                });
            }
        }
    }

    #[test]
    fn what_nests_too_deeply_says_so() {
        let deep = |sql: &str| matches!(analyze(sql), Err(AnalyzeError::TooDeep));
        let verdicts = |n: usize| nested(n).iter().filter(|sql| !deep(sql)).cloned().collect::<Vec<_>>();
        assert_eq!(verdicts(10), nested(10));
        // Parentheses, OR chains, subscripts and comments do not nest in the tree; the grammar's own stack bounds the first.
        let shallow = ["SELECT ((", "SELECT a OR", "SELECT a[1]", "EXPLAIN ((", "SELECT /*"];
        for sql in verdicts(1_000) {
            assert!(shallow.iter().any(|start| sql.starts_with(start)), "{sql:.60}");
        }
        assert!(deep(&nested(40_000)[1]));
    }

    #[test]
    fn a_thread_is_made_where_none_is_large() {
        let before = std::thread::current().id();
        let there = on_large_stack(|| std::thread::current().id()).expect("a thread");
        assert_ne!(before, there);
    }

    #[test]
    fn a_panic_is_an_error() {
        let panicked = on_large_stack(|| panic!("on purpose"));
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
                scope.spawn(|| (0..500).for_each(|_| drop(parse("SELECT 1"))));
            }
            (0..500).for_each(|_| assert_eq!(standard_error(), before));
        });
        assert_eq!(standard_error(), before);
    }
}
