//! Errors of the grammar, as the server words them.
//!
//! PostgreSQL's parser says of an error which condition it is, where it stands, and at times a detail and a hint; its Rust
//! binding passes on the message alone. What goes with each message is known (`gram.y` and `scan.l` of PostgreSQL 18), and
//! the place is found again in the text, in [`place`]. Nothing here decides whether a statement may run: none of these does.

mod place;

use grille_core::SqlState;

use super::strings::Sql;
use super::text::Tokens;
use place::{Flaw, Place};

/// Longest message, in bytes. One about a string that does not end quotes the text to its end.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What PostgreSQL's grammar has against a statement. Message, detail and hint are the server's words; the message can quote
/// the statement, literals included: it is for the client that wrote it, not for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// The condition: a syntax error, or something that the grammar has rules for and the server does not support.
    pub state: SqlState,
    /// What is wrong.
    pub message: String,
    /// More about it.
    pub detail: Option<&'static str>,
    /// What to do instead.
    pub hint: Option<&'static str>,
    /// Where, in characters from 1, as in the `P` field of an ErrorResponse; nothing where that is not known for certain.
    pub position: Option<usize>,
}

impl SyntaxError {
    /// What goes with the message that the parser gave for `sql`. `reparse` gives the parser's message for another text, if
    /// that is one for the client. It is called a few dozen times at most, and with short texts only.
    pub(super) fn of(sql: Sql<'_>, message: String, reparse: &dyn Fn(&str) -> Option<String>) -> Self {
        let (known, quoted) = known(sql, &message);
        let offset = place::near_token(sql.text, &message, reparse)
            .or_else(|| place::of(known.place, quoted, sql, &message, reparse));
        Self {
            state: known.state,
            detail: known.detail,
            hint: known.hint,
            position: offset
                .and_then(|offset| sql.text.get(..offset))
                .map(|before| before.chars().count() + 1),
            message: cut(message),
        }
    }
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    message
}

/// What goes with a message.
struct Known {
    /// The message; `*` stands for the part that differs.
    message: &'static str,
    state: SqlState,
    detail: Option<&'static str>,
    hint: Option<&'static str>,
    place: Place,
}

impl Known {
    const fn new(state: SqlState, message: &'static str, place: Place) -> Self {
        Self { message, state, detail: None, hint: None, place }
    }

    const fn syntax(message: &'static str, place: Place) -> Self {
        Self::new(SqlState::SyntaxError, message, place)
    }

    const fn unsupported(message: &'static str, place: Place) -> Self {
        Self::new(SqlState::FeatureNotSupported, message, place)
    }

    const fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The part that differs, if this is what the message says.
    fn differing<'m>(&self, message: &'m str) -> Option<&'m str> {
        match self.message.split_once('*') {
            Some((start, end)) => message.strip_prefix(start)?.strip_suffix(end),
            None => (message == self.message).then_some(""),
        }
    }
}

/// What goes with a message, and the part of it that differs.
fn known<'m>(sql: Sql<'_>, message: &'m str) -> (&'static Known, &'m str) {
    // The scanner reads the escapes of E'…', the parser those of U&'…'.
    if message == ESCAPE.message && Tokens::scan(sql).is_err() {
        return (&ESCAPE, "");
    }
    let found = KNOWN.iter().find_map(|known| Some((known, known.differing(message)?)));
    found.unwrap_or((&OTHER, ""))
}

/// Of most messages it is only known that they are errors of syntax.
static OTHER: Known = Known::syntax("*", Place::Lost);

static ESCAPE: Known = Known::new(SqlState::InvalidEscapeSequence, "invalid Unicode escape", Place::Escape)
    .hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.");

/// Everything that the grammar says beside `syntax error at or near`, but for errors of syntax without anything more. Places
/// are those that PostgreSQL 15 tells; some that only later releases do are left out.
static KNOWN: &[Known] = &[
    Known::unsupported(
        "UNENCRYPTED PASSWORD is no longer supported",
        Place::At(&["unencrypted", "password"], 0),
    )
    .hint("Remove UNENCRYPTED to store the password in encrypted form instead."),
    Known::syntax("unrecognized role option \"*\"", Place::At(&["*"], 0)),
    Known::unsupported("CREATE SCHEMA IF NOT EXISTS cannot include schema elements", Place::SchemaElement),
    Known::unsupported("current database cannot be changed", Place::At(&["catalog", "_"], 1)),
    Known::syntax(
        "time zone interval must be HOUR or HOUR TO MINUTE",
        Place::At(&["zone", "interval", "_", "_"], 3),
    ),
    Known::new(
        SqlState::InvalidParameterValue,
        "column number must be in range from 1 to *",
        Place::At(&["_", "set", "statistics"], 0),
    ),
    Known::unsupported("constraints cannot be altered to be *", Place::Lost),
    Known::new(SqlState::DuplicateObject, "* for hash partition provided more than once", Place::Lost),
    Known::syntax("unrecognized hash partition bound specification \"*\"", Place::At(&["*"], 0)),
    Known::syntax("* for hash partition must be specified", Place::Lost),
    Known::syntax("WHERE clause not allowed with COPY TO", Place::At(&["where"], 0)),
    Known::syntax(
        "for a generated column, GENERATED ALWAYS must be specified",
        Place::At(&["generated", "by", "default", "as", "("], 1),
    ),
    Known::unsupported("MATCH PARTIAL not yet implemented", Place::At(&["match", "partial"], 0)),
    Known::unsupported(
        "a column list with SET NULL is only supported for ON DELETE actions",
        Place::At(&["on", "update", "set", "null", "("], 0),
    ),
    Known::unsupported(
        "a column list with SET DEFAULT is only supported for ON DELETE actions",
        Place::At(&["on", "update", "set", "default", "("], 0),
    ),
    Known::syntax("invalid Unicode escape", Place::Lost).hint("Unicode escapes must be \\XXXX or \\+XXXXXX."),
    Known::new(SqlState::CharacterNotInRepertoire, "invalid byte sequence for encoding *", Place::Lost),
    Known::unsupported("unsafe use of string constant with Unicode escapes", Place::UnicodeLiteral).detail(
        "String constants with Unicode escapes cannot be used when \"standard_conforming_strings\" is off.",
    ),
    Known::unsupported("CREATE EXTENSION ... FROM is no longer supported", Place::At(&["from"], 0)),
    Known::syntax("unrecognized row security option \"*\"", Place::At(&["as", "*"], 1))
        .hint("Only PERMISSIVE or RESTRICTIVE policies are supported currently."),
    Known::unsupported("CREATE OR REPLACE CONSTRAINT TRIGGER is not supported", Place::Lost),
    Known::syntax("constraint declared INITIALLY DEFERRED must be DEFERRABLE", Place::DeferralConflict),
    Known::unsupported("CREATE ASSERTION is not yet implemented", Place::Lost),
    Known::unsupported("dropping an enum value is not implemented", Place::At(&["drop", "value"], 0)),
    Known::unsupported("aggregates cannot have output arguments", Place::Lost),
    Known::syntax("missing argument", Place::At(&[")"], 0))
        .hint("Use NONE to denote the missing argument of a unary operator."),
    Known::unsupported("WITH CHECK OPTION not supported on recursive views", Place::Lost),
    Known::syntax("LIMIT #,# syntax is not supported", Place::At(&["limit"], 0))
        .hint("Use separate LIMIT and OFFSET clauses."),
    Known::syntax("unrecognized column option \"*\"", Place::At(&["*"], 0)),
    Known::syntax("option name \"*\" cannot be used in XMLTABLE", Place::At(&["*"], 0)),
    Known::unsupported("only string constants are supported in JSON_TABLE path specification", Place::Lost),
    Known::new(
        SqlState::InvalidParameterValue,
        "precision for type float must be *",
        Place::At(&["float", "(", "_", ")"], 2),
    ),
    Known::syntax(
        "wrong number of parameters on right side of OVERLAPS expression",
        Place::At(&["overlaps", "_"], 1),
    ),
    Known::unsupported("UNIQUE predicate is not yet implemented", Place::At(&["unique", "("], 0)),
    Known::syntax("cannot use * with WITHIN GROUP", Place::At(&["within", "group"], 0)),
    Known::new(
        SqlState::WindowingError,
        "frame start cannot be UNBOUNDED FOLLOWING",
        Place::At(&["unbounded", "following"], 0),
    ),
    Known::new(
        SqlState::WindowingError,
        "frame end cannot be UNBOUNDED PRECEDING",
        Place::At(&["and", "unbounded", "preceding"], 1),
    ),
    Known::new(
        SqlState::WindowingError,
        "frame starting from current row cannot have preceding rows",
        Place::At(&["between", "current", "row", "and", "_"], 4),
    ),
    Known::new(
        SqlState::WindowingError,
        "frame starting from following row cannot have preceding rows",
        Place::At(&["following", "and", "_"], 2),
    ),
    Known::new(
        SqlState::WindowingError,
        "frame starting from following row cannot end with current row",
        Place::Lost,
    ),
    Known::new(SqlState::InvalidParameterValue, "unrecognized JSON encoding: *", Place::Lost),
    Known::new(SqlState::ReservedName, "role name \"*\" is reserved", Place::At(&["*"], 0)),
    Known::new(SqlState::ReservedName, "* cannot be used as a role name here", Place::At(&["*"], 0)),
    Known::unsupported(
        "an ordered-set aggregate with a VARIADIC direct argument must have one VARIADIC aggregated argument of the same data type",
        Place::Lost,
    ),
    Known::syntax("improper qualified name (too many dotted names): *", Place::Name),
    Known::unsupported("* constraints cannot be marked DEFERRABLE", Place::Lost),
    Known::unsupported("* constraints cannot be marked NOT VALID", Place::Lost),
    Known::unsupported("* constraints cannot be marked NO INHERIT", Place::Lost),
    Known::unsupported("* constraints cannot be marked NOT ENFORCED", Place::Lost),
    Known::unsupported("* constraints cannot be marked ENFORCED", Place::Lost),
    Known::new(SqlState::InvalidParameterValue, "unrecognized partitioning strategy \"*\"", Place::Lost),
    Known::syntax("invalid publication object list", Place::PublicationObject(Flaw::NoKind)).detail(
        "One of TABLE or TABLES IN SCHEMA must be specified before a standalone table or schema name.",
    ),
    Known::syntax("invalid table name", Place::PublicationObject(Flaw::Table)),
    Known::syntax("WHERE clause not allowed for schema", Place::PublicationObject(Flaw::Where)),
    Known::syntax("column specification not allowed for schema", Place::PublicationObject(Flaw::Columns)),
    Known::syntax("invalid schema name", Place::PublicationObject(Flaw::Schema)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{AnalyzeError, analyze};

    fn error(sql: &str) -> SyntaxError {
        match analyze(sql) {
            Err(AnalyzeError::Syntax(error)) => *error,
            other => panic!("{other:?}: {sql}"),
        }
    }

    /// `‸` stands before the first character of the error, and nowhere if its place is not told.
    fn check(marked: &str, expected: &str) {
        let sql = marked.replace('‸', "");
        let found = error(&sql);
        assert_eq!(found.message, expected, "{sql}");
        assert_eq!(found.position, marked.chars().position(|c| c == '‸').map(|at| at + 1), "{marked}");
    }

    // The positions are those that PostgreSQL 15 gives.
    #[test]
    fn a_syntax_error_has_the_servers_words_and_place() {
        check("‸SELEC 1", r#"syntax error at or near "SELEC""#);
        check("SELECT 1 FROM‸", "syntax error at end of input");
        check("SELECT a FROM a WHERE‸", "syntax error at end of input");
        check("SELECT ‸'x", r#"unterminated quoted string at or near "'x""#);
        check("SELECT 'ä', 'ö' x ‸y FROM t", r#"syntax error at or near "y""#);
        check("SELECT a, a a ‸a FROM t", r#"syntax error at or near "a""#);
        check("SELECT '(', (1)‸) FROM t", r#"syntax error at or near ")""#);
        check("SELECT 1; ‸FROM; SELECT", r#"syntax error at or near "FROM""#);
        check("SELECT ‸$tag$ x", r#"unterminated dollar-quoted string at or near "$tag$ x""#);
        check("‸/* SELECT", r#"unterminated /* comment at or near "/* SELECT""#);
        check("CREATE TABLE t (a int NOT NULL, b int NOT ‸NUL)", r#"syntax error at or near "NUL""#);
        check("SELECT ‸1abc", r#"trailing junk after numeric literal at or near "1abc""#);
        check(r"SELECT x, E'a: \udb99‸xy'", r#"invalid Unicode surrogate pair at or near "x""#);
        check(r"SELECT '\u1', E'\\u1 \u0061 ‸\u061'", "invalid Unicode escape");
        check("SELECT ‸\"\"", r#"zero-length delimited identifier at or near """""#);
    }

    #[test]
    fn an_error_of_a_rule_has_the_servers_place() {
        check(
            "SELECT 1; SELECT p, percentile_cont(p ORDER BY p) ‸WITHIN GROUP (ORDER BY x) FROM v, w",
            "cannot use multiple ORDER BY clauses with WITHIN GROUP",
        );
        check(
            "ALTER INDEX i ALTER COLUMN ‸0 SET STATISTICS 1000",
            "column number must be in range from 1 to 32767",
        );
        check("COPY x TO STDOUT /* where */ ‸WHERE a = 1", "WHERE clause not allowed with COPY TO");
        check("DROP OPERATOR === (int4‸)", "missing argument");
        check(
            "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ‸BY DEFAULT AS (a * 2) STORED)",
            "for a generated column, GENERATED ALWAYS must be specified",
        );
        check(
            "CREATE POLICY p1 ON document AS ‸UGLY USING (true)",
            "unrecognized row security option \"ugly\"",
        );
        check(
            "SELECT * FROM XMLTABLE (ROW () PASSING NULL COLUMNS v1 timestamp ‸__pg__is_not_null 1) x",
            "option name \"__pg__is_not_null\" cannot be used in XMLTABLE",
        );
        check(
            "CREATE TABLE f (a int, FOREIGN KEY (a) REFERENCES p ‸ON UPDATE SET NULL (a))",
            "a column list with SET NULL is only supported for ON DELETE actions",
        );
        check("SELECT 1 ‸LIMIT 1, 2", "LIMIT #,# syntax is not supported");
        check("CREATE ROLE ‸\"public\"", "role name \"public\" is reserved");
        check("CREATE ROLE ‸Current_User", "CURRENT_USER cannot be used as a role name here");
        check("SELECT * FROM t, ‸a.b.c.\"D\"", "improper qualified name (too many dotted names): a.b.c.D");
        check("ALTER ROLE x ‸foo", "unrecognized role option \"foo\"");
        check("SELECT 1::float(‸99)", "precision for type float must be less than 54 bits");
        check("SET catalog ‸'x'", "current database cannot be changed");
        check("SET TIME ZONE INTERVAL '1' ‸DAY", "time zone interval must be HOUR or HOUR TO MINUTE");
        check("CREATE TABLE f (a int REFERENCES p ‸MATCH PARTIAL)", "MATCH PARTIAL not yet implemented");
        check(
            "SELECT (1,2) OVERLAPS ‸(1,2,3)",
            "wrong number of parameters on right side of OVERLAPS expression",
        );
        check(
            "SELECT sum(x) OVER (ROWS BETWEEN CURRENT ROW AND ‸1 PRECEDING)",
            "frame starting from current row cannot have preceding rows",
        );
    }

    #[test]
    fn deferral_is_found_at_the_later_of_the_two() {
        let message = "constraint declared INITIALLY DEFERRED must be DEFERRABLE";
        check("ALTER TABLE t ALTER CONSTRAINT c NOT DEFERRABLE ‸INITIALLY DEFERRED", message);
        check("ALTER TABLE t ALTER CONSTRAINT c INITIALLY DEFERRED ‸NOT DEFERRABLE", message);
    }

    #[test]
    fn schema_elements_are_found_after_name_and_owner() {
        let message = "CREATE SCHEMA IF NOT EXISTS cannot include schema elements";
        for named in ["s", "\"create\"", "s AUTHORIZATION r", "AUTHORIZATION r"] {
            let sql = format!("SELECT 1; CREATE SCHEMA IF NOT EXISTS {named} ‸CREATE TABLE t (a int)");
            check(&sql, message);
        }
    }

    #[test]
    fn an_object_of_a_publication_is_found_in_the_list() {
        let none = "invalid publication object list";
        check("CREATE PUBLICATION p FOR ‸CURRENT_SCHEMA", none);
        check("CREATE PUBLICATION p FOR ‸a.t1 WITH (publish = 'insert')", none);
        check("CREATE PUBLICATION p FOR TABLE a.t, ‸CURRENT_SCHEMA", "invalid table name");
        check("CREATE PUBLICATION p FOR TABLES IN SCHEMA s, ‸a.t", "invalid schema name");
        let columns = "column specification not allowed for schema";
        check("CREATE PUBLICATION p FOR TABLES IN SCHEMA s, ‸t (a, b)", columns);
        check("ALTER PUBLICATION set ADD TABLE t (a, b), TABLES IN SCHEMA s, ‸u (a)", columns);
        let filter = "WHERE clause not allowed for schema";
        check("CREATE PUBLICATION p FOR TABLES IN SCHEMA s, s2, ‸a.t WHERE (x > 1)", filter);
    }

    #[test]
    fn a_place_that_is_not_certain_is_none() {
        check("COPY x TO STDOUT WHERE a IN (SELECT 1 WHERE true)", "WHERE clause not allowed with COPY TO");
        check("DROP OPERATOR === (numeric(3))", "missing argument");
        check("ALTER TABLE t ADD CHECK (a > 0) DEFERRABLE", "CHECK constraints cannot be marked DEFERRABLE");
    }

    #[test]
    fn very_long_sql_is_not_parsed_for_an_error_of_the_scanner() {
        let spaces = " ".repeat(2 << 20);
        check(&format!("SELECT 1 2{spaces}‸'x"), r#"unterminated quoted string at or near "'x""#);
        check(
            &format!("SELECT 1 2{spaces}‸1abc"),
            r#"trailing junk after numeric literal at or near "1abc""#,
        );
    }

    #[test]
    fn an_error_has_the_servers_condition_detail_and_hint() {
        let check = |sql: &str, state: SqlState, detail: &str, hint: &str| {
            let found = error(sql);
            assert_eq!(found.state, state, "{sql}");
            assert_eq!((found.detail.unwrap_or(""), found.hint.unwrap_or("")), (detail, hint), "{sql}");
        };
        check("SELEC", SqlState::SyntaxError, "", "");
        check("CREATE ASSERTION a CHECK (true)", SqlState::FeatureNotSupported, "", "");
        check("CREATE ROLE none", SqlState::ReservedName, "", "");
        check("SELECT 1::float(99)", SqlState::InvalidParameterValue, "", "");
        check(
            "CREATE PUBLICATION p FOR t",
            SqlState::SyntaxError,
            "One of TABLE or TABLES IN SCHEMA must be specified before a standalone table or schema name.",
            "",
        );
        let hint = "Use NONE to denote the missing argument of a unary operator.";
        check("DROP OPERATOR = (int4)", SqlState::SyntaxError, "", hint);
        let hint = r"Unicode escapes must be \XXXX or \+XXXXXX.";
        check(r"SELECT U&'\061'", SqlState::SyntaxError, "", hint);
        check(r"SELECT E'\0'", SqlState::CharacterNotInRepertoire, "", "");
        let hint = r"Unicode escapes must be \uXXXX or \UXXXXXXXX.";
        check(r"SELECT E'\u061'", SqlState::InvalidEscapeSequence, "", hint);
    }

    #[test]
    fn an_ambiguous_error_in_long_sql_has_no_place() {
        let long = "a,".repeat(place::TEXT_BYTES_MAX);
        assert_eq!(error(&format!("SELECT {long} a a a")).position, None);
        assert_eq!(error(&format!("SELECT {long} 1 LIMIT 1, 2")).position, None);
    }

    #[test]
    fn a_message_that_quotes_too_much_is_cut() {
        let found = error(&format!("SELECT '{}", "é".repeat(MESSAGE_BYTES_MAX)));
        assert!(found.message.len() <= MESSAGE_BYTES_MAX + '…'.len_utf8() && found.message.ends_with("é…"));
        assert_eq!(found.position, Some(8));
    }

    #[test]
    fn no_message_is_known_twice() {
        for (index, known) in KNOWN.iter().enumerate() {
            let message = known.message.replace('*', "x");
            let first = KNOWN.iter().position(|other| other.differing(&message).is_some());
            assert_eq!(first, Some(index), "{message}");
        }
    }
}
