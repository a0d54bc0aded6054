//! Statements about the session: transactions, settings, notifications, cursors' and plans' end.

use grille_core::action::feature;
use grille_core::{Access, Effect, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    DiscardMode, TransactionStmt, TransactionStmtKind, VariableSetKind, VariableSetStmt,
};

use super::Command;

/// Settings that decide who the session is.
const IDENTITY: [&str; 2] = ["role", "session_authorization"];

pub(super) fn command(node: &NodeEnum) -> Option<Command<'_>> {
    let new = |kind, effects| Command::new(node, kind, effects);
    Some(match node {
        NodeEnum::TransactionStmt(transaction) => new(transaction_kind(transaction), Effect::TRANSACTION),
        NodeEnum::ConstraintsSetStmt(_) => new("set constraints", Effect::TRANSACTION),
        NodeEnum::VariableSetStmt(set) => set_command(node, set),
        NodeEnum::VariableShowStmt(show) => {
            new("show", Effect::SESSION).object(ObjectKind::Setting, show.name.to_lowercase(), Access::Read)
        }
        NodeEnum::DiscardStmt(discard) => {
            let command = new("discard", Effect::SESSION);
            match discard.target() {
                DiscardMode::DiscardPlans | DiscardMode::DiscardSequences | DiscardMode::DiscardTemp => {
                    command
                }
                DiscardMode::DiscardAll | DiscardMode::Undefined => command.setting("*"),
            }
        }
        NodeEnum::ListenStmt(listen) => {
            new("listen", Effect::NOTIFY).object(ObjectKind::Channel, &listen.conditionname, Access::Read)
        }
        NodeEnum::NotifyStmt(notify) => {
            new("notify", Effect::NOTIFY).object(ObjectKind::Channel, &notify.conditionname, Access::Insert)
        }
        NodeEnum::UnlistenStmt(unlisten) => {
            new("unlisten", Effect::NOTIFY).object(ObjectKind::Channel, &unlisten.conditionname, Access::Read)
        }
        _ => return None,
    })
}

fn transaction_kind(transaction: &TransactionStmt) -> &'static str {
    match transaction.kind() {
        TransactionStmtKind::TransStmtBegin => "begin",
        TransactionStmtKind::TransStmtStart => "start transaction",
        TransactionStmtKind::TransStmtCommit => "commit",
        // ROLLBACK TO SAVEPOINT has the same tag.
        TransactionStmtKind::TransStmtRollback | TransactionStmtKind::TransStmtRollbackTo => "rollback",
        TransactionStmtKind::TransStmtSavepoint => "savepoint",
        TransactionStmtKind::TransStmtRelease => "release",
        TransactionStmtKind::TransStmtPrepare => "prepare transaction",
        TransactionStmtKind::TransStmtCommitPrepared => "commit prepared",
        TransactionStmtKind::TransStmtRollbackPrepared => "rollback prepared",
        TransactionStmtKind::Undefined => "transaction",
    }
}

fn set_command<'n>(node: &'n NodeEnum, set: &'n VariableSetStmt) -> Command<'n> {
    let name = set.name.to_lowercase();
    let command = match set.kind() {
        VariableSetKind::VarSetMulti if name.starts_with("transaction") => {
            Command::new(node, "set", Effect::TRANSACTION).setting(&name)
        }
        VariableSetKind::VarResetAll => return Command::new(node, "reset", Effect::SESSION).setting("*"),
        VariableSetKind::VarReset => Command::new(node, "reset", Effect::SESSION).setting(&name),
        VariableSetKind::VarSetValue
        | VariableSetKind::VarSetDefault
        | VariableSetKind::VarSetCurrent
        | VariableSetKind::VarSetMulti
        | VariableSetKind::Undefined => Command::new(node, "set", Effect::SESSION).setting(&name),
    };
    let command =
        if IDENTITY.contains(&name.as_str()) { command.feature(feature::SET_ROLE) } else { command };
    command.object(ObjectKind::Setting, name, Access::Set)
}
