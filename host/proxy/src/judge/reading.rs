//! From a message's bytes to statements that are understood, and from those to what the audit log says of them.

use bytes::Bytes;
use grille_core::audit::StatementRecord;
use grille_core::{Action, ClientMessage, Object, SqlState};
use grille_wire::postgres::Statement;
use grille_wire::sql::{self, AnalyzeError, EncodingError, TextEncoding};

use super::Unjudged;

/// How the bytes of a statement are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'r> {
    pub(crate) encoding: &'r TextEncoding,
    pub(crate) standard_conforming_strings: bool,
}

pub(super) fn analyze(text: &Bytes, reading: Reading<'_>) -> Result<Statement, Unjudged> {
    if !reading.standard_conforming_strings && text.contains(&b'\\') {
        let message = "a statement with a backslash is refused while standard_conforming_strings is off";
        let message = ClientMessage::new(SqlState::FeatureNotSupported, message)
            .hint("SET standard_conforming_strings TO on, and write escapes as E'…'.");
        return Err(Unjudged::Refused(Box::new(message)));
    }
    let decoded = reading.encoding.decode(text).map_err(|error| unreadable(&error))?;
    let actions = sql::analyze(&decoded).map_err(|error| unparsable(&error))?;
    let copies = sql::copies(&decoded, &actions).map_err(|error| unparsable(&error))?;
    let other = (decoded.as_bytes() != &text[..]).then(|| Box::from(&*decoded));
    // A copy: what came in one read would otherwise live as long as the statement does.
    let read_at = crate::lineage::now();
    Ok(Statement { decoded: other, copies, read_at, ..Statement::new(Bytes::copy_from_slice(text), actions) })
}

fn unreadable(error: &EncodingError) -> Unjudged {
    let message = ClientMessage::new(SqlState::CharacterNotInRepertoire, error.to_string())
        .hint("SET client_encoding TO 'UTF8', or keep such statements to ASCII.");
    Unjudged::Refused(Box::new(message))
}

pub(super) fn unparsable(error: &AnalyzeError) -> Unjudged {
    let (state, position) = match error {
        AnalyzeError::Syntax { position, .. } => (SqlState::SyntaxError, *position),
        AnalyzeError::TooLong | AnalyzeError::TooDeep => (SqlState::ProgramLimitExceeded, None),
        AnalyzeError::Nul => (SqlState::CharacterNotInRepertoire, None),
        AnalyzeError::Unsupported => (SqlState::FeatureNotSupported, None),
        AnalyzeError::Internal { .. } => (SqlState::SystemError, None),
    };
    Unjudged::Refused(Box::new(ClientMessage::new(state, error.to_string()).at(position)))
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
