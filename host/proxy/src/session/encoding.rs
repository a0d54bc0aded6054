//! Results that the server may be unable to write in the client's encoding: it fails at the first text with a letter that the
//! encoding has no room for, before Grille sees any of the result, and so tells of the text.

use grille_core::{Action, ClientMessage, SqlState};
use grille_wire::postgres::Statement;
use grille_wire::sql::{CopyFormat, CopyStream, TextEncoding};

use crate::decisions::Judged;

/// The encoding in which the server takes texts for bytes.
const NO_ENCODING: &str = "SQL_ASCII";

/// What a client is told of whose result the server may be unable to write all texts; none where it can.
pub(super) fn refuse_unwritable(judged: &Judged, client: &str, server: &str) -> Option<ClientMessage> {
    let traced = judged.traced.as_ref().filter(|traced| !traced.is_clean())?;
    let is_changed = judged.actions().any(changes_encoding);
    let is_at_risk = is_changed || may_fail(client, server) && !is_written_in_utf8(&judged.statement);
    (traced.touches_protected() && is_at_risk).then(|| {
        let text = "refused: where protected columns are masked, results are written in UTF8 only";
        ClientMessage::new(SqlState::FeatureNotSupported, text)
            .hint("SET client_encoding TO 'UTF8', in a message of its own.")
    })
}

/// Whether there are texts that the server can hold and not write.
fn may_fail(client: &str, server: &str) -> bool {
    let is_bytes = |encoding: &str| encoding.eq_ignore_ascii_case(NO_ENCODING);
    let is_same = client.eq_ignore_ascii_case(server);
    !(is_same || is_bytes(client) || is_bytes(server) || TextEncoding::new(client).is_utf8())
}

/// Whether the message is a copy that names its encoding, whatever the client's is. Binary copies do not heed it.
fn is_written_in_utf8(statement: &Statement) -> bool {
    let Some(CopyStream::Out(Ok(layout))) = statement.copy(0) else { return false };
    let names_utf8 = layout.encoding.as_deref().is_some_and(|encoding| TextEncoding::new(encoding).is_utf8());
    statement.actions.len() == 1 && names_utf8 && layout.format != CopyFormat::Binary
}

/// Whether a statement of the same message may change the encoding before another is answered.
fn changes_encoding(action: &Action) -> bool {
    let is_it = |setting: &str| matches!(setting, "client_encoding" | "names" | "*");
    action.setting.as_deref().is_some_and(is_it)
        || action.objects.iter().any(|object| {
            object.kind == grille_core::ObjectKind::Setting
                && object.access == grille_core::Access::Set
                && is_it(&object.name)
        })
}

#[cfg(test)]
mod tests {
    use grille_wire::sql::analyze;

    use super::*;

    #[test]
    fn only_conversion_to_less_than_utf8_fails() {
        let check = |client: &str, server: &str, expected| {
            assert_eq!(may_fail(client, server), expected, "{client} of {server}");
        };
        check("LATIN1", "UTF8", true);
        check("SJIS", "UTF8", true);
        check("UTF8", "LATIN1", false);
        check("unicode", "UTF8", false);
        check("latin1", "LATIN1", false);
        check("SQL_ASCII", "UTF8", false);
        check("LATIN1", "SQL_ASCII", false);
    }

    #[test]
    fn a_change_is_seen_however_it_is_made() {
        let check = |sql: &str, expected| {
            let actions = analyze(sql).expect(sql);
            assert_eq!(actions.iter().any(changes_encoding), expected, "{sql}");
        };
        check("SET client_encoding = 'LATIN1'; SELECT 1", true);
        check("SET NAMES 'LATIN1'; SELECT 1", true);
        check("RESET ALL; SELECT 1", true);
        check("SELECT set_config('client_encoding', 'LATIN1', false)", true);
        check("SET work_mem = '1MB'; SELECT 1", false);
    }
}
