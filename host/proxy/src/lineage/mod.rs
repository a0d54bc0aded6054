//! What a message's statements do with protected columns: their lineage under the catalogue, the role's rules and what
//! names mean in the session. Whether they may is decided in [`refusal`].

mod created;
mod defined;
mod naming;
mod path;
mod refusal;
mod round_trip;

use std::sync::Arc;

use grille_core::{Action, ObjectKind};
use grille_wire::postgres::Statement;
use grille_wire::sql::lineage::{Lineage, Outputs, Provenance, trace, trace_in_turn};
use grille_wire::sql::schema::Relation;
use grille_wire::sql::{AnalyzeError, Sql};

use crate::catalog::{Protected, Rules, Snapshot};
pub(crate) use defined::{defined, gid, rests_on};
pub(crate) use naming::Names;
pub(crate) use path::{PathDigest, PathSource, SearchPath};
pub(crate) use refusal::{Refusal, refuse};
pub(crate) use round_trip::RoundTrip;

/// Commands that touch no relation and call no function, so that they can be judged without a catalogue: whoever cannot be
/// told what a table is can still end his transaction.
const UNTRACED: [&str; 18] = [
    "begin",
    "close",
    "commit",
    "commit prepared",
    "deallocate",
    "discard",
    "listen",
    "notify",
    "prepare transaction",
    "release",
    "reset",
    "rollback",
    "rollback prepared",
    "savepoint",
    "set",
    "set constraints",
    "start transaction",
    "unlisten",
];

/// What stands behind the name that a statement of a message gives.
#[derive(Clone, Debug)]
pub(crate) struct Behind {
    /// Which of the message's statements gives the name.
    pub(crate) index: usize,
    pub(crate) statement: Arc<Statement>,
}

/// The lineage of a message's statements.
#[derive(Debug)]
pub(crate) struct Traced {
    /// Of the catalogue it rests on.
    pub(crate) version: u64,
    pub(crate) protected: Arc<Protected>,
    /// One for each statement. Where one names another, that one's results and uses are in it.
    statements: Vec<Lineage>,
}

impl Traced {
    /// Traces a message's statements.
    ///
    /// # Errors
    /// As analysis, which has let the text pass, so when memory or a thread is not to be had.
    pub(crate) fn of(
        statement: &Arc<Statement>,
        behind: &[Behind],
        snapshot: &Snapshot,
        names: &Names,
        rules: &Rules,
    ) -> Result<Self, AnalyzeError> {
        let traced = Self::with_names(statement, behind, snapshot, (names, names.within(statement)), rules)?;
        // What one statement calls may change what the names of the next mean.
        if traced.calls_unknown_functions() && statement.actions.len() > 1 {
            let names = (names, names.without_path(statement));
            return Self::with_names(statement, behind, snapshot, names, rules);
        }
        Ok(traced)
    }

    /// Names are those before the message, and those within it.
    fn with_names(
        statement: &Arc<Statement>,
        behind: &[Behind],
        snapshot: &Snapshot,
        (outside, within): (&Names, Names),
        rules: &Rules,
    ) -> Result<Self, AnalyzeError> {
        let protected = snapshot.protected(rules)?;
        // Of what stands behind a name, in a message of several, it is not known when the server looks names up.
        let of_others = if statement.actions.len() > 1 { within.without_created() } else { outside.clone() };
        let lineages = |of: &Statement| {
            let naming = of_others.naming(snapshot, rules, of.read_at);
            trace(sql_of(of)?, snapshot.schema(), &naming, &*protected)
        };
        let mut names = within;
        let mut naming = |done: &[Lineage]| {
            let changed = match done.split_last() {
                None => true,
                Some((last, before)) => names.pass(statement, before.len(), outside, last),
            };
            changed.then(|| names.naming(snapshot, rules, statement.read_at))
        };
        let mut statements = trace_in_turn(sql_of(statement)?, snapshot.schema(), &*protected, &mut naming)?;
        if statements.len() != statement.actions.len() {
            return Err(AnalyzeError::Internal { reason: "lineage and analysis disagree" });
        }
        for (index, action) in statement.actions.iter().enumerate() {
            if !matches!(action.kind.as_str(), "execute" | "fetch") {
                continue;
            }
            let named = behind.iter().find(|behind| behind.index == index).map(|behind| &behind.statement);
            let other = match named.map(|named| (&named.inner_of, named)) {
                Some((Some((outer, at)), _)) => inner_of(lineages(outer)?, *at),
                // What the protocol's Parse has prepared.
                Some((None, named)) => lineages(named)?.pop(),
                None => None,
            };
            statements[index].stand_for(other.unwrap_or_else(unknown));
        }
        Ok(Self { version: snapshot.version(), protected, statements })
    }

    /// The columns of the result that one of the message's statements has.
    pub(crate) fn outputs(&self, statement: usize) -> &Outputs {
        self.statements.get(statement).map_or(&Outputs::Unknown, |lineage| &lineage.outputs)
    }

    /// Whether nothing protected is in any result.
    pub(crate) fn is_clean(&self) -> bool {
        self.protected.is_empty()
            || self.statements.iter().all(|lineage| match &lineage.outputs {
                Outputs::None => true,
                Outputs::Known(outputs) => {
                    outputs.iter().all(|output| output.provenance == Provenance::Clean)
                }
                Outputs::Unknown => false,
            })
    }

    /// Whether what the server says about it may quote protected values.
    pub(crate) fn touches_protected(&self) -> bool {
        !self.protected.is_empty() && self.each().any(|lineage| lineage.touches_protected)
    }

    /// Whether it calls functions that may do more than compute.
    pub(crate) fn calls_unknown_functions(&self) -> bool {
        self.each().any(|lineage| !lineage.unknown_functions.is_empty())
    }

    /// Whether it calls functions that may do anything.
    pub(crate) fn calls_volatile_functions(&self) -> bool {
        self.each().flat_map(|lineage| &lineage.unknown_functions).any(|function| function.is_volatile)
    }

    /// The table that one of the message's statements makes, if it holds nothing protected.
    pub(crate) fn made(&self, statement: usize) -> Option<&Arc<Relation>> {
        self.statements.get(statement)?.made.as_ref()
    }

    /// Bytes that it takes, roughly.
    pub(crate) fn weight(&self) -> usize {
        let outputs = |lineage: &Lineage| match &lineage.outputs {
            Outputs::Known(outputs) => outputs.len(),
            Outputs::None | Outputs::Unknown => 0,
        };
        self.each().map(|lineage| 256 + 96 * (outputs(lineage) + lineage.uses.len())).sum()
    }

    /// Every statement's lineage, and that of those that are given a name.
    fn each(&self) -> impl Iterator<Item = &Lineage> {
        self.statements
            .iter()
            .flat_map(|lineage| std::iter::successors(Some(lineage), |one| one.inner.as_deref()))
    }
}

/// Whether what the statements mean depends on the database.
pub(crate) fn needs_catalogue(statement: &Statement) -> bool {
    statement.actions.iter().any(|action| UNTRACED.binary_search(&action.kind.as_str()).is_err())
}

fn sql_of(statement: &Statement) -> Result<Sql<'_>, AnalyzeError> {
    statement.sql().ok_or(AnalyzeError::Internal { reason: "a statement has no text" })
}

/// Whether it calls functions that are not the server's own.
pub(crate) fn calls_beyond_builtin(action: &Action, snapshot: &Snapshot) -> bool {
    let mut calls = action.objects.iter().filter(|object| object.kind == ObjectKind::Function);
    calls.any(|object| snapshot.schema().builtin(&created::last_name(&object.name)).is_none())
}

fn inner_of(lineages: Vec<Lineage>, index: usize) -> Option<Lineage> {
    lineages.into_iter().nth(index)?.inner.map(|inner| *inner)
}

fn unknown() -> Lineage {
    Lineage { outputs: Outputs::Unknown, touches_protected: true, ..Lineage::default() }
}

/// A statement that runs another.
trait StandFor {
    fn stand_for(&mut self, other: Lineage);
}

impl StandFor for Lineage {
    fn stand_for(&mut self, other: Lineage) {
        // What the name stands for was unknown until now.
        let quotes_itself = !self.uses.is_empty() || !self.unknown_functions.is_empty();
        self.touches_protected = other.touches_protected || quotes_itself;
        self.outputs = other.outputs;
        self.uses.extend(other.uses);
        self.unknown_functions.extend(other.unknown_functions);
        self.foreign |= other.foreign;
    }
}
