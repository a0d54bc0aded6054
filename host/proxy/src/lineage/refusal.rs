//! Why a role may not run a statement for what it does with protected columns, in words that say what would help.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use grille_core::decision::ReasonSource;
use grille_core::{Decision, Privilege, Role, RowShaping};
use grille_wire::sql::lineage::{Purpose, Use};
use grille_wire::sql::schema::ColumnId;

use super::{RoundTrip, Traced};
use crate::catalog::Snapshot;

/// Most reasons that one refusal gives.
const REASONS_MAX: usize = 4;
/// Most columns that one reason names.
const COLUMNS_NAMED_MAX: usize = 4;

/// Why a role may not run a statement, and what would help.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) decision: Decision,
    /// For the client.
    pub(crate) hint: &'static str,
    /// What the columns are used for, or which privilege is missing, in words for metrics.
    pub(crate) purposes: BTreeSet<&'static str>,
}

/// None when the role may.
pub(crate) fn refuse(
    role: &Role,
    traced: &Traced,
    round_trip: &RoundTrip,
    snapshot: &Snapshot,
) -> Option<Refusal> {
    let may = |one: &Use| is_allowed(role, &one.purpose) || round_trip.covers(one);
    let uses = traced.each().flat_map(|lineage| &lineage.uses).filter(|one| !may(one));
    let uses: BTreeSet<&Use> = uses.collect();
    let mut reasons: Vec<String> = uses.iter().take(REASONS_MAX).map(|one| reason(one, snapshot)).collect();
    let mut purposes: BTreeSet<&'static str> = uses.iter().map(|one| word(&one.purpose)).collect();
    let mut hint = uses.first().map(|one| hint(&one.purpose));
    for (privilege, text) in missing_privileges(role, traced) {
        reasons.push(text);
        purposes.insert(privilege.words().next().unwrap_or_default());
        hint = hint.or(Some("Ask an operator whether the role may have the privilege."));
    }
    let hint = hint?;
    let decision = reasons.into_iter().fold(Decision::allow(), |decision, reason| {
        decision.merge(Decision::deny(ReasonSource::Role, reason))
    });
    Some(Refusal { decision, hint, purposes })
}

fn is_allowed(role: &Role, purpose: &Purpose) -> bool {
    match (purpose, role.row_shaping) {
        (Purpose::Launders(_), _) => role.privileges.contains(Privilege::COPY_PROTECTED),
        (Purpose::Shapes(_) | Purpose::MayFail(_), RowShaping::Allow) => true,
        (Purpose::Shapes(_) | Purpose::MayFail(_), RowShaping::Equality | RowShaping::Refuse) => false,
        (Purpose::Equality(_) | Purpose::Probes, RowShaping::Equality | RowShaping::Allow) => true,
        (Purpose::Equality(_) | Purpose::Probes, RowShaping::Refuse) => false,
    }
}

fn word(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Equality(_) => "equality",
        Purpose::Shapes(_) => "shapes",
        Purpose::MayFail(_) => "may-fail",
        Purpose::Probes => "probes",
        Purpose::Launders(_) => "launders",
    }
}

fn reason(one: &Use, snapshot: &Snapshot) -> String {
    let columns = columns(&one.columns, snapshot);
    match &one.purpose {
        Purpose::Equality(_) => format!("{columns} may not be compared, not even for equality"),
        Purpose::Shapes(clause) => format!("{columns} may not decide which rows come back ({clause})"),
        Purpose::MayFail(what) => format!("{columns} may not be used where some values fail ({what})"),
        Purpose::Probes => {
            format!(
                "{columns} is compared with stored values when rows are written or removed, and failing would tell of them"
            )
        }
        Purpose::Launders(place) => {
            format!(
                "{columns} may not be copied to or redefined by {place} without the privilege copy-protected"
            )
        }
    }
}

fn columns(columns: &BTreeSet<ColumnId>, snapshot: &Snapshot) -> String {
    let mut names: Vec<String> = columns.iter().filter_map(|column| snapshot.name(*column)).collect();
    names.sort();
    let more = names.len().saturating_sub(COLUMNS_NAMED_MAX);
    names.truncate(COLUMNS_NAMED_MAX);
    let mut text = match names[..] {
        [] => return "what may be a protected column".to_owned(),
        [_] => "protected column ".to_owned(),
        [..] => "protected columns ".to_owned(),
    };
    text.push_str(&names.join(", "));
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

fn hint(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::Equality(_) | Purpose::Probes => {
            "Use a column that is not protected, or ask an operator for row_shaping = \"equality\"."
        }
        Purpose::Shapes(_) => {
            "Use a column that is not protected. An operator can allow comparison with a parameter by row_shaping = \"equality\"."
        }
        Purpose::MayFail(_) => "Select the column as it stands, and compute where you are.",
        Purpose::Launders(_) => "Leave the column out, or ask an operator.",
    }
}

fn missing_privileges(role: &Role, traced: &Traced) -> Vec<(Privilege, String)> {
    let mut missing = Vec::new();
    if !role.privileges.contains(Privilege::VOLATILE_FUNCTIONS) {
        let functions = traced.each().flat_map(|lineage| &lineage.unknown_functions);
        let volatile: BTreeSet<&str> =
            functions.filter(|function| function.is_volatile).map(|function| &*function.name).collect();
        missing.extend(volatile.iter().take(REASONS_MAX).map(|name| {
            let text = format!(
                "function {name} may do anything: the role needs it among its functions, or the privilege volatile-functions"
            );
            (Privilege::VOLATILE_FUNCTIONS, text)
        }));
    }
    if !role.privileges.contains(Privilege::FOREIGN_DATA) && traced.each().any(|lineage| lineage.foreign) {
        let text = "foreign tables need the privilege foreign-data".to_owned();
        missing.push((Privilege::FOREIGN_DATA, text));
    }
    missing
}
