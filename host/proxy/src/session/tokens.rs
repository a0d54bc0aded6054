//! Tokens that come back, turned into values on the request's way to the upstream.

use grille_core::{ClientMessage, SqlState};
use grille_wire::postgres::value::Tokenizer;
use grille_wire::postgres::{Relay, Violation};
use grille_wire::sql::TextEncoding;

use crate::decisions::Judged;
use crate::lineage::RoundTrip;

/// What a parameter may be declared as to be compared as it stands: nothing, `text`, `varchar`. Others cut it short.
const DECLARED: [u32; 3] = [0, 25, 1043];

/// What the request at hand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Query,
    Parse,
    Bind,
}

/// Turns back the tokens in the request at hand.
///
/// # Errors
/// When it may only compare tokens and compares something else, or carries them where the server could show them.
pub(super) fn turn_back(
    judged: &Judged,
    step: Step,
    relay: &mut Relay,
    encoding: &TextEncoding,
    tokens: &Tokenizer,
) -> Result<(), Box<ClientMessage>> {
    let round_trip = &judged.round_trip;
    match step {
        Step::Query if round_trip.changes_text() => {
            let text = round_trip.text(&judged.statement, encoding).ok_or_else(unwritable)?;
            relay.substitute_text(&text).map_err(malformed)
        }
        Step::Parse if round_trip.changes_text() => Err(refused(
            "the server keeps the text of a prepared statement, so that tokens in it are not turned back",
            "Send the tokens as parameters, or the statement by the simple protocol.",
        )),
        Step::Parse if round_trip.parameters().len() > 0 => {
            check_types(round_trip, &relay.parameter_types().map_err(malformed)?)
        }
        Step::Bind if round_trip.parameters().len() > 0 => {
            let values = round_trip.bind(&relay.parameters().map_err(malformed)?, encoding, tokens);
            let values = values.map_err(|failure| {
                let hint = "Use the token that a query of the column gave you, unchanged and as text.";
                refused(&failure.to_string(), hint)
            })?;
            relay.substitute_parameters(&values).map_err(malformed)
        }
        Step::Query | Step::Parse | Step::Bind => Ok(()),
    }
}

fn check_types(round_trip: &RoundTrip, types: &[u32]) -> Result<(), Box<ClientMessage>> {
    for number in round_trip.parameters() {
        let declared = usize::from(number).checked_sub(1).and_then(|index| types.get(index));
        if declared.is_some_and(|declared| !DECLARED.contains(declared)) {
            let text = format!(
                "parameter ${number} is compared with a protected column, and is not declared as text"
            );
            return Err(refused(&text, "Declare it as text, or leave its type to the server."));
        }
    }
    Ok(())
}

fn unwritable() -> Box<ClientMessage> {
    refused("a token stands for a value that client_encoding has no room for", "Use UTF-8.")
}

fn malformed(violation: Violation) -> Box<ClientMessage> {
    Box::new(ClientMessage::new(SqlState::ProtocolViolation, format!("protocol violation: {violation}")))
}

fn refused(why: &str, hint: &'static str) -> Box<ClientMessage> {
    Box::new(ClientMessage::new(SqlState::InsufficientPrivilege, format!("refused: {why}")).hint(hint))
}
