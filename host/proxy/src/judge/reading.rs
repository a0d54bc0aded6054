//! From a message's bytes to statements that are understood, and from those to what the audit log says of them.

use bytes::Bytes;
use grille_core::action::feature;
use grille_core::audit::StatementRecord;
use grille_core::{Action, ClientMessage, Object, SqlState};
use grille_wire::postgres::{Effort, Statement};
use grille_wire::sql::{self, AnalyzeError, EncodingError, Scanned, Sql, Strings, SyntaxError, TextEncoding};
use tokio::task::block_in_place;

use super::Unjudged;

/// How the bytes of a statement are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'r> {
    pub(crate) encoding: &'r TextEncoding,
    pub(crate) standard_conforming_strings: bool,
    /// Longest text that is read, in bytes.
    pub(crate) bytes_max: usize,
}

impl Reading<'_> {
    /// How the plain literals of a text are read. Without a backslash, and without `U&'…'`, which the setting forbids, they
    /// mean the same.
    fn strings(self, text: &str) -> Strings {
        let is_alike = !text.contains('\\') && !text.contains("&'");
        if self.standard_conforming_strings || is_alike { Strings::Standard } else { Strings::Escaped }
    }
}

/// Longest text that is scanned on the worker itself: handing the worker's other sessions over to another thread would take
/// longer.
const SCANNED_IN_PLACE_BYTES_MAX: usize = 4 * 1024;

pub(super) fn analyze(text: &Bytes, reading: Reading<'_>) -> Result<Statement, Unjudged> {
    if text.len() > reading.bytes_max {
        return Err(unparsable(&AnalyzeError::TooLong { bytes_max: reading.bytes_max }));
    }
    match text.len() {
        0..=SCANNED_IN_PLACE_BYTES_MAX => analyze_here(text, reading),
        _ => block_in_place(|| analyze_here(text, reading)),
    }
}

fn analyze_here(text: &Bytes, reading: Reading<'_>) -> Result<Statement, Unjudged> {
    let decoded = reading.encoding.decode(text).map_err(|error| unreadable(&error))?;
    let sql = Sql { text: &decoded, strings: reading.strings(&decoded) };
    let scanned = Scanned::new(sql).map_err(|error| unparsable(&error))?;
    let understand = || {
        let actions = scanned.analyze()?;
        Ok((sql::copies(sql, &actions)?, actions))
    };
    let (effort, understood) = match scanned.is_brief() {
        true => (Effort::Brief, understand()),
        false => (Effort::Long, block_in_place(understand)),
    };
    let (copies, actions) = understood.map_err(|error| unparsable(&error))?;
    let other = (decoded.as_bytes() != &text[..]).then(|| Box::from(&*decoded));
    let read_at = crate::moment::now();
    // A copy: what came in one read would otherwise live as long as the statement does.
    let statement = Statement::new(Bytes::copy_from_slice(text), actions);
    Ok(Statement { decoded: other, strings: sql.strings, effort, copies, read_at, ..statement })
}

/// A FunctionCall message, as the statement that calls the same function.
pub(super) fn call(sql: &'static str) -> Result<Statement, Unjudged> {
    let mut actions = sql::analyze(sql).map_err(|error| unparsable(&error))?;
    for action in &mut actions {
        action.features.push(feature::FUNCTION_CALL);
        action.features.sort_unstable();
    }
    let read_at = crate::moment::now();
    Ok(Statement { read_at, ..Statement::new(Bytes::from_static(sql.as_bytes()), actions) })
}

fn unreadable(error: &EncodingError) -> Unjudged {
    let message = ClientMessage::new(SqlState::CharacterNotInRepertoire, error.to_string())
        .hint("SET client_encoding TO 'UTF8', or keep such statements to ASCII.");
    Unjudged::Refused(Box::new(message))
}

pub(super) fn unparsable(error: &AnalyzeError) -> Unjudged {
    let message = |state| ClientMessage::new(state, error.to_string());
    let message = match error {
        AnalyzeError::Syntax(error) => as_the_server_says(error),
        AnalyzeError::TooLong { .. } => message(SqlState::ProgramLimitExceeded)
            .hint("An operator can allow up to 64 MiB, by the limit statement_bytes_max."),
        AnalyzeError::TooManyTokens | AnalyzeError::TooDeep => message(SqlState::ProgramLimitExceeded),
        AnalyzeError::Nul => message(SqlState::CharacterNotInRepertoire),
        AnalyzeError::Unsupported => message(SqlState::FeatureNotSupported),
        AnalyzeError::Internal { .. } => message(SqlState::SystemError),
    };
    Unjudged::Refused(Box::new(message))
}

fn as_the_server_says(error: &SyntaxError) -> ClientMessage {
    let mut message = ClientMessage::new(error.state, error.message.as_str()).at(error.position);
    message.detail = error.detail.map(str::to_owned);
    message.hint = error.hint.map(str::to_owned);
    message
}

pub(super) fn record(action: &Action) -> StatementRecord {
    StatementRecord {
        kind: action.kind.clone(),
        text: action.text.clone(),
        fingerprint: format!("{:016x}", action.fingerprint),
        effects: action.effects.words().map(str::to_owned).collect(),
        objects: action.objects.iter().map(object).collect(),
        features: action.features.iter().map(|feature| (*feature).to_owned()).collect(),
    }
}

fn object(object: &Object) -> String {
    format!("{} {} {}", object.access, object.kind, object.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str, bytes_max: usize) -> ClientMessage {
        let encoding = TextEncoding::new("UTF8");
        let reading = Reading { encoding: &encoding, standard_conforming_strings: true, bytes_max };
        match analyze(&Bytes::copy_from_slice(sql.as_bytes()), reading) {
            Err(Unjudged::Refused(message)) => *message,
            other => panic!("{other:?}: {sql}"),
        }
    }

    #[test]
    fn a_text_over_the_limit_is_refused_unread() {
        let message = refused("no SQL at all", 12);
        assert_eq!(
            (message.state, &*message.message),
            (SqlState::ProgramLimitExceeded, "the SQL is longer than 12 bytes")
        );
        assert!(message.hint.is_some_and(|hint| hint.contains("statement_bytes_max")));
        assert_eq!(refused("no SQL at all", 13).state, SqlState::SyntaxError);
    }

    #[test]
    fn an_error_of_syntax_is_answered_as_the_server_would() {
        let message = refused("SELECT 'é' LIMIT 1, 2", 100);
        let expected = ClientMessage::new(SqlState::SyntaxError, "LIMIT #,# syntax is not supported")
            .hint("Use separate LIMIT and OFFSET clauses.")
            .at(Some(12));
        assert_eq!(message, expected);
        let message = refused("CREATE PUBLICATION p FOR t", 100);
        assert!(message.detail.is_some_and(|detail| detail.starts_with("One of TABLE")));
    }
}
