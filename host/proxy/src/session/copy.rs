//! Rows of a COPY TO whose cells are treated like those of any result: which columns they have, and whether they can be taken
//! apart at all.

use std::sync::Arc;

use grille_core::{Action, ClientMessage, SqlState};
use grille_wire::postgres::{Field, Format, Relay, Statement};
use grille_wire::sql::lineage::{Output, Outputs};
use grille_wire::sql::{CopyFormat, CopyLayout, CopyStream, TextEncoding};

/// The columns of a COPY, which the server does not describe: as many as its rows have cells, with the types that lineage
/// knows. Without a type a column is one that may hold anything.
pub(super) fn fields(outputs: &Outputs, columns: usize, format: Format) -> Arc<[Field]> {
    let known = match outputs {
        Outputs::Known(outputs) if outputs.len() == columns => &outputs[..],
        Outputs::Known(_) | Outputs::None | Outputs::Unknown => &[],
    };
    (0..columns).map(|index| field(known.get(index), format)).collect()
}

fn field(output: Option<&Output>, format: Format) -> Field {
    let (type_oid, typmod) = output.and_then(|output| output.kind).unwrap_or((0, -1));
    let name = output.map_or(&[][..], |output| output.name.as_bytes()).into();
    Field { name, table_oid: 0, attribute: 0, type_oid, typmod, format }
}

/// Whether the server sends rows of a COPY for it.
pub(super) fn sends_rows(statement: &Statement) -> bool {
    statement.copies.iter().any(|copy| matches!(copy, Some(CopyStream::Out(_))))
}

/// What a client is told whose copies are to be inspected and cannot be; none where they can. `relay` is idle.
pub(super) fn refuse_uninspectable(statement: &Statement, relay: &Relay) -> Option<ClientMessage> {
    let copies = statement.copies.iter().enumerate();
    copies.filter_map(|(index, copy)| Some((index, copy.as_ref()?))).find_map(|(index, copy)| match copy {
        CopyStream::In => None,
        CopyStream::Out(Err(unreadable)) => Some(
            ClientMessage::new(
                SqlState::FeatureNotSupported,
                format!("refused: {unreadable} where results are masked"),
            )
            .hint("Leave the option out, or read with SELECT."),
        ),
        CopyStream::Out(Ok(layout)) => refuse_unreadable(layout, &statement.actions[..index], relay),
    })
}

/// Where a cell ends can be told for certain only in an encoding that is known for certain, and in which no part of a letter
/// looks like a delimiter: in UTF-8.
fn refuse_unreadable(layout: &CopyLayout, before: &[Action], relay: &Relay) -> Option<ClientMessage> {
    let unsupported = |text: &str| ClientMessage::new(SqlState::FeatureNotSupported, text);
    match (&layout.format, layout.encoding.as_deref()) {
        (CopyFormat::Binary, _) => None,
        (CopyFormat::Text(_) | CopyFormat::Csv(_), Some(encoding)) => {
            (!TextEncoding::new(encoding).is_utf8()).then(|| {
                unsupported("refused: where results are masked, COPY TO writes text and CSV in UTF8 only")
                    .hint("Leave ENCODING out, or make it 'UTF8'.")
            })
        }
        (CopyFormat::Text(_) | CopyFormat::Csv(_), None) => {
            if !TextEncoding::new(relay.client_encoding()).is_utf8() {
                return Some(
                    unsupported(
                        "refused: where results are masked, COPY TO writes text and CSV in UTF8 only",
                    )
                    .hint("SET client_encoding TO 'UTF8', or add ENCODING 'UTF8'."),
                );
            }
            let is_certain = relay.is_settled() && before.iter().all(only_begins);
            (!is_certain).then(|| {
                unsupported("refused: where results are masked, a COPY TO stands alone in its message")
                    .hint("Send it in a message of its own, after a Sync, or add ENCODING 'UTF8'.")
            })
        }
    }
}

/// Whether the statement cannot have changed how texts are written.
fn only_begins(action: &Action) -> bool {
    matches!(action.kind.as_str(), "begin" | "start transaction" | "savepoint")
}

/// The encoding of the texts in a COPY's cells, where it is not the session's.
pub(super) fn encoding(statement: &Statement, index: usize) -> Option<Arc<TextEncoding>> {
    match statement.copy(index)? {
        CopyStream::Out(Ok(CopyLayout {
            encoding: Some(name),
            format: CopyFormat::Text(_) | CopyFormat::Csv(_),
        })) => Some(Arc::new(TextEncoding::new(name))),
        CopyStream::Out(_) | CopyStream::In => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use grille_wire::postgres::Limits;
    use grille_wire::sql::lineage::Provenance;
    use grille_wire::sql::schema::ColumnId;
    use grille_wire::sql::{self, Sql};

    use super::*;

    fn relay(encoding: &str) -> Relay {
        let limits = Limits { message_bytes_max: 1 << 16, block_bytes_max: 1 << 16 };
        Relay::new(limits, [("client_encoding", encoding)])
    }

    fn check(sql: &str, encoding: &str, refused: Option<&str>) {
        let actions = sql::analyze(sql).expect(sql);
        let copies = sql::copies(Sql::standard(sql), &actions).expect(sql);
        let statement = Statement::new(Bytes::copy_from_slice(sql.as_bytes()), actions).with_copies(copies);
        let said = refuse_uninspectable(&statement, &relay(encoding));
        match refused {
            None => assert_eq!(said.map(|message| message.message), None, "{sql}"),
            Some(part) => assert!(said.expect(sql).message.contains(part), "{sql}"),
        }
    }

    #[test]
    fn what_cannot_be_taken_apart_is_refused() {
        check("COPY t TO STDOUT (SURPRISE)", "UTF8", Some("the COPY option surprise"));
        check("COPY t TO STDOUT", "SJIS", Some("in UTF8 only"));
        check("COPY t TO STDOUT (FORMAT csv)", "LATIN1", Some("in UTF8 only"));
        check("COPY t TO STDOUT (ENCODING 'LATIN1')", "UTF8", Some("in UTF8 only"));
        check("SET client_encoding TO 'SJIS'; COPY t TO STDOUT", "UTF8", Some("stands alone"));
        check("SELECT f(); COPY t TO STDOUT", "UTF8", Some("stands alone"));
        check("COPY t TO STDOUT; COPY t TO STDOUT", "UTF8", Some("stands alone"));
    }

    #[test]
    fn what_can_be_taken_apart_is_not() {
        check("COPY t TO STDOUT", "UTF8", None);
        check("COPY (SELECT 1) TO STDOUT (FORMAT csv, HEADER)", "UTF8", None);
        check("COPY t TO STDOUT (ENCODING 'utf-8')", "SJIS", None);
        check("COPY t TO STDOUT (FORMAT binary)", "SJIS", None);
        check("SELECT f(); COPY t TO STDOUT (ENCODING 'UTF8')", "UTF8", None);
        check("BEGIN; COPY t TO STDOUT; COMMIT", "UTF8", None);
        check("COPY t FROM STDIN (SURPRISE, ENCODING 'SJIS')", "LATIN1", None);
        check("SELECT 1", "SJIS", None);
    }

    #[test]
    fn columns_have_the_types_that_lineage_knows() {
        let output = |name: &str, kind| {
            let column = ColumnId { relation: 1, number: 1 };
            Output {
                name: name.into(),
                provenance: Provenance::Direct(BTreeSet::from([column])),
                kind,
                from_created: false,
            }
        };
        let outputs = Outputs::Known(vec![output("a", Some((23, -1))), output("b", None)]);
        let found = |outputs: &Outputs, columns| {
            let fields = fields(outputs, columns, Format::Text);
            fields.iter().map(|field| (field.name.to_vec(), field.type_oid)).collect::<Vec<_>>()
        };
        assert_eq!(found(&outputs, 2), [(b"a".to_vec(), 23), (b"b".to_vec(), 0)]);
        assert_eq!(found(&outputs, 3), vec![(vec![], 0); 3]);
        assert_eq!(found(&Outputs::Unknown, 1), [(vec![], 0)]);
    }
}
