//! The language of the model server's statements, and the fixed rule by which they are judged.
//!
//! A statement is words, of which the first is the command; several are separated by `;`. Marks in it decide: `!` is refused
//! as soon as it is seen, `?` when it is bound, `~` when it is run, `#` has its rows inspected. Functions are called by
//! number: those that the rule allows are listed.

use std::sync::Arc;

use bytes::Bytes;
use grille_core::{Action, Effect};
use grille_wire::postgres::Statement;
use grille_wire::sql::{CopyFormat, CopyLayout, CopyStream, TextLayout};

/// What a client asks to be done with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Run it at once.
    Query,
    /// Prepare it.
    Parse,
    /// Bind it.
    Bind,
    /// Run what was bound.
    Execute,
    /// Call a function by its number.
    FunctionCall,
}

/// The functions that may be called, as numbers and as statements.
const CALLS: [(u32, &str); 2] =
    [(OPEN, "SELECT pg_catalog.lo_open($1, $2)"), (CLOSE, "SELECT pg_catalog.lo_close($1)")];

/// The number of a function that may be called.
pub const OPEN: u32 = 952;

/// The number of one that may be called and always fails.
pub const CLOSE: u32 = 953;

/// A number that the relay knows and the rule refuses.
pub const UNLINK: u32 = 964;

/// The statement that a call is taken for; none where it is refused.
pub fn call(function: u32) -> Option<&'static str> {
    CALLS.iter().find(|(number, _)| *number == function).map(|(_, sql)| *sql)
}

/// Whether the rule refuses it. `source` is normal, see [`normal`].
pub fn is_refused(source: &str, stage: Stage) -> bool {
    let marks = match stage {
        // What they name runs later.
        Stage::Query if source.starts_with("prepare ") || source.starts_with("declare ") => "!",
        Stage::Query => "!?~",
        Stage::Parse => "!",
        Stage::Bind => "?",
        Stage::Execute => "~",
        Stage::FunctionCall => return CALLS.iter().all(|(_, sql)| *sql != source),
    };
    source.contains(|c| marks.contains(c))
}

/// Whether its rows are inspected.
pub fn is_inspected(source: &str) -> bool {
    source.contains('#')
}

/// The statements of a message, in order.
pub fn statements(source: &str) -> impl Iterator<Item = &str> {
    source.split(';').map(str::trim).filter(|statement| !statement.is_empty())
}

/// A message's statements in one form, as text.
pub fn normal(sql: &[u8]) -> String {
    statements(&String::from_utf8_lossy(sql)).collect::<Vec<_>>().join(";")
}

/// The same, of what the relay remembers.
pub fn source(statement: &Statement) -> String {
    statement.actions.iter().map(|action| action.text.as_str()).collect::<Vec<_>>().join(";")
}

/// What the relay is told of a statement.
pub fn understand(sql: &Bytes) -> Arc<Statement> {
    let source = normal(sql);
    let actions = statements(&source).map(action).collect();
    let copies = statements(&source).map(copy).collect();
    Arc::new(Statement::new(sql.clone(), actions).with_copies(copies))
}

/// Whether the client has to send data for it.
pub fn copies_in(statement: &str) -> bool {
    words(statement).0 == "copyin"
}

/// Between the cells of a row that is copied out.
pub const DELIMITER: u8 = b'|';

/// What a statement copies over the connection.
fn copy(statement: &str) -> Option<CopyStream> {
    let format = match words(statement).0 {
        "copyin" => return Some(CopyStream::In),
        "copyout" => {
            let layout = TextLayout { delimiter: DELIMITER, null: "\\N".into(), has_header: false };
            CopyFormat::Text(layout)
        }
        "copybinary" => CopyFormat::Binary,
        _ => return None,
    };
    Some(CopyStream::Out(Ok(CopyLayout { format, encoding: None })))
}

/// A command with its first operand and the rest.
pub fn words(statement: &str) -> (&str, &str, &str) {
    let (command, operands) = statement.split_once(' ').unwrap_or((statement, ""));
    let (operand, rest) = operands.split_once(' ').unwrap_or((operands, ""));
    (command, operand, rest)
}

fn action(statement: &str) -> Action {
    let (command, operand, rest) = words(statement);
    let mut action = Action {
        kind: command.to_owned(),
        effects: Effect::READ,
        objects: vec![],
        features: vec![],
        columns: vec![],
        text: statement.to_owned(),
        fingerprint: 0,
        names: None,
        inner: None,
        setting: None,
    };
    match command {
        "prepare" => {
            action.names = Some(operand.to_owned());
            action.inner = Some(Box::new(self::action(rest)));
        }
        "declare" => {
            "declare cursor".clone_into(&mut action.kind);
            action.names = Some(operand.to_owned());
            action.inner = Some(Box::new(self::action(rest)));
        }
        "deallocate" | "close" => action.names = (operand != "*").then(|| operand.to_owned()),
        "discard" => action.setting = Some("*".to_owned()),
        "set" => action.setting = Some(operand.to_owned()),
        _ => {}
    }
    action
}
