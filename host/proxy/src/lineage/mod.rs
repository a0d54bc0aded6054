//! What a message's statements do with protected columns: their lineage under the catalogue, the role's rules and what
//! names mean in the session. Whether they may is decided in [`refusal`].

mod naming;
mod refusal;
mod round_trip;

use std::sync::Arc;

use grille_wire::postgres::Statement;
use grille_wire::sql::AnalyzeError;
use grille_wire::sql::lineage::{Lineage, Outputs, Provenance, trace};

use crate::catalog::{Protected, Rules, Snapshot};
pub(crate) use naming::{Names, PathDigest};
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
        let traced = Self::with_names(statement, behind, snapshot, &names.within(statement), rules)?;
        // What one statement calls may change what the names of the next mean.
        if traced.calls_unknown_functions() && statement.actions.len() > 1 {
            return Self::with_names(statement, behind, snapshot, &names.without_path(statement), rules);
        }
        Ok(traced)
    }

    fn with_names(
        statement: &Arc<Statement>,
        behind: &[Behind],
        snapshot: &Snapshot,
        names: &Names,
        rules: &Rules,
    ) -> Result<Self, AnalyzeError> {
        let protected = snapshot.protected(rules)?;
        let naming = names.naming(snapshot);
        let lineages = |of: &Statement| match of.sql() {
            Some(sql) => trace(sql, snapshot.schema(), &naming, &*protected),
            None => Err(AnalyzeError::Internal { reason: "a statement has no text" }),
        };
        let mut statements = lineages(statement)?;
        if statements.len() != statement.actions.len() {
            return Err(AnalyzeError::Internal { reason: "lineage and analysis disagree" });
        }
        for (index, action) in statement.actions.iter().enumerate() {
            if !matches!(action.kind.as_str(), "execute" | "fetch") {
                continue;
            }
            let named = behind.iter().find(|behind| behind.index == index).map(|behind| &behind.statement);
            let other = match named.map(|named| (&named.inner_of, named)) {
                Some((Some((outer, at)), _)) if Arc::ptr_eq(outer, statement) => {
                    statements[*at].inner.as_deref().cloned()
                }
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
        self.outputs = other.outputs;
        self.uses.extend(other.uses);
        self.unknown_functions.extend(other.unknown_functions);
        self.touches_protected |= other.touches_protected;
        self.foreign |= other.foreign;
    }
}
