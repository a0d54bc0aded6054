//! What two revisions of a plugin answer differently to equal inputs: the words of an answer, kinds of difference, and a tally of
//! them with examples. The observation of live traffic and the replay of a recording fill the same tally, so that they
//! tell the same. Reference: docs/reference/observation.md.
//!
//! Nothing here holds what a cell contains or a literal of a statement: statements come in minimised, findings as counts.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::untrusted::clean_text;
use crate::{Decision, Verdict};

/// Most examples kept in one tally: what one person looks through before looking at the numbers again.
pub const EXAMPLES_MAX: usize = 50;
/// Longest statement of an example, in bytes; the rest is cut.
pub const EXAMPLE_STATEMENT_BYTES_MAX: usize = 500;
/// Most reasons, and most obligations, that an example shows of one answer; the rest is counted.
const EXAMPLE_PARTS_MAX: usize = 8;
/// Longest reason or obligation of an example, in bytes: as long as a client may be shown.
const EXAMPLE_PART_BYTES_MAX: usize = 500;
/// Most pairs of label and column that findings are counted under; what comes later counts under [`ELSEWHERE`].
pub const FINDING_PLACES_MAX: usize = 200;
/// Longest column name that findings are counted under, in bytes.
const COLUMN_BYTES_MAX: usize = 200;
/// The column of findings beyond [`FINDING_PLACES_MAX`].
pub const ELSEWHERE: &str = "(elsewhere)";
/// Most kinds of failure told apart. The runtime has eight.
const FAILURES_MAX: usize = 16;

/// What a policy said, in words: everything of a decision that a client or a record would show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its verdict.
    pub verdict: VerdictWord,
    /// Why, in the order of the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What must be done or obtained: `row cap 100`, `mask public.users.email=null`, `approval by dba within 900 s`,
    /// `instead: SELECT 1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<String>,
}

/// A verdict without what it carries, from the mildest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// See [`Verdict::Allow`].
    Allow,
    /// See [`Verdict::Rewrite`].
    Rewrite,
    /// See [`Verdict::Hold`].
    Hold,
    /// See [`Verdict::Deny`].
    Deny,
}

/// In what way two answers to one input differ. Of several ways, the first in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// What was allowed would be denied.
    AllowToDeny,
    /// What was denied would be allowed.
    DenyToAllow,
    /// One of the two asks for approval.
    Hold,
    /// One of the two asks for another statement.
    Rewrite,
    /// Equal verdicts with other row caps, masks, approvers or rewritten statements.
    Obligations,
    /// Clients would read other words.
    Reasons,
    /// A detector's findings in a block of cells.
    Findings,
    /// A masker's new values for a block of cells.
    Values,
}

/// Inputs that two revisions answered, and what was different. Counts saturate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Differences {
    /// Inputs that both answered: statements of a policy, blocks of cells of a detector or masker.
    pub compared: u64,
    /// Of these, answered alike.
    pub same: u64,
    /// Of these, answered otherwise.
    pub different: u64,
    /// The different ones by kind.
    pub kinds: BTreeMap<DifferenceKind, u64>,
    /// Inputs that the candidate failed at, by what happened (`trap`, `deadline`, …): it would have denied the statement or
    /// had the cells masked whole. Not among those compared.
    pub failures: BTreeMap<String, u64>,
    /// Statements answered otherwise, the first of each shape, at most [`EXAMPLES_MAX`].
    pub examples: Vec<Example>,
    /// Findings that only one has, by label and column.
    pub findings: Vec<FindingDifference>,
    /// Values that a masker was asked for.
    pub values: u64,
    /// Of these, replaced otherwise.
    pub values_different: u64,
}

/// A statement that is answered otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The statement without its literals, cut to [`EXAMPLE_STATEMENT_BYTES_MAX`] bytes.
    pub statement: String,
    /// The role it was sent under.
    pub role: String,
    /// In what way.
    pub kind: DifferenceKind,
    /// The answer it got.
    pub active: Answer,
    /// The answer it would get.
    pub candidate: Answer,
    /// How often this very difference was seen.
    pub times: u64,
}

/// Findings with one label in columns of one name that only one of two revisions has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingDifference {
    /// The label.
    pub label: String,
    /// The column: `schema.table.column` where it is known, else the name the client saw.
    pub column: String,
    /// How many only the active revision has.
    pub only_active: u64,
    /// How many only the candidate has.
    pub only_candidate: u64,
}

impl Answer {
    /// The words of a decision.
    pub fn of(decision: &Decision) -> Self {
        let mut obligations: Vec<String> =
            decision.row_cap().map(|rows| format!("row cap {rows}")).into_iter().collect();
        obligations.extend(decision.masks().map(|(column, treatment)| format!("mask {column}={treatment}")));
        match decision.verdict() {
            Verdict::Allow | Verdict::Deny => {}
            Verdict::Rewrite(statement) => obligations.push(format!("instead: {statement}")),
            Verdict::Hold(approval) if approval.approvers.is_empty() => {
                obligations.push(format!("approval within {} s", approval.ttl_s));
            }
            Verdict::Hold(approval) => {
                let approvers = approval.approvers.join(", ");
                obligations.push(format!("approval by {approvers} within {} s", approval.ttl_s));
            }
        }
        let reasons = decision.reasons().map(|reason| reason.text.clone()).collect();
        Self { verdict: VerdictWord::of(decision.verdict()), reasons, obligations }
    }

    /// The same as far as an example shows it.
    fn shown(&self) -> Self {
        Self { verdict: self.verdict, reasons: parts(&self.reasons), obligations: parts(&self.obligations) }
    }
}

fn parts(all: &[String]) -> Vec<String> {
    let shown = all.iter().take(EXAMPLE_PARTS_MAX).map(|part| clean_text(part, EXAMPLE_PART_BYTES_MAX));
    let more = all.len().checked_sub(EXAMPLE_PARTS_MAX).filter(|more| *more > 0);
    shown.chain(more.map(|more| format!("and {more} more"))).collect()
}

/// In one line: `deny; DELETE without WHERE would remove every row of orders`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict.as_str())?;
        self.reasons.iter().chain(&self.obligations).try_for_each(|part| write!(f, "; {part}"))
    }
}

impl VerdictWord {
    /// The word for a verdict.
    pub fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Rewrite(_) => Self::Rewrite,
            Verdict::Hold(_) => Self::Hold,
            Verdict::Deny => Self::Deny,
        }
    }

    /// The word used in audit records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Rewrite => "rewrite",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

impl DifferenceKind {
    /// How the candidate's answer differs from the active one's; none where a client could not tell them apart.
    pub fn between(active: &Answer, candidate: &Answer) -> Option<Self> {
        use VerdictWord::{Allow, Deny, Hold, Rewrite};
        match (active.verdict, candidate.verdict) {
            (Allow, Deny) => Some(Self::AllowToDeny),
            (Deny, Allow) => Some(Self::DenyToAllow),
            (Hold, Allow | Rewrite | Deny) | (Allow | Rewrite | Deny, Hold) => Some(Self::Hold),
            (Rewrite, Allow | Deny) | (Allow | Deny, Rewrite) => Some(Self::Rewrite),
            (Allow, Allow) | (Rewrite, Rewrite) | (Hold, Hold) | (Deny, Deny) => {
                if active.obligations != candidate.obligations {
                    Some(Self::Obligations)
                } else {
                    (active.reasons != candidate.reasons).then_some(Self::Reasons)
                }
            }
        }
    }

    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowToDeny => "allow-to-deny",
            Self::DenyToAllow => "deny-to-allow",
            Self::Hold => "hold",
            Self::Rewrite => "rewrite",
            Self::Obligations => "obligations",
            Self::Reasons => "reasons",
            Self::Findings => "findings",
            Self::Values => "values",
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Differences {
    /// Counts two answers to one statement, which comes without its literals. Whether they differ.
    pub fn count_answers(
        &mut self,
        statement: &str,
        role: &str,
        active: &Answer,
        candidate: &Answer,
    ) -> Option<DifferenceKind> {
        let kind = DifferenceKind::between(active, candidate);
        self.count(kind);
        if let Some(kind) = kind {
            self.keep(Example {
                statement: clean_text(statement, EXAMPLE_STATEMENT_BYTES_MAX),
                role: role.to_owned(),
                kind,
                active: active.shown(),
                candidate: candidate.shown(),
                times: 1,
            });
        }
        kind
    }

    /// Counts a block of cells, and the findings in it that only one has. Whether there are any.
    pub fn count_findings(
        &mut self,
        only_one_has: impl IntoIterator<Item = FindingDifference>,
    ) -> Option<DifferenceKind> {
        let mut kind = None;
        for one in only_one_has {
            kind = Some(DifferenceKind::Findings);
            self.place(&one.label, &one.column).add(&one);
        }
        self.count(kind);
        kind
    }

    /// Counts a block of `values` new values of which `different` differ. Whether any does.
    pub fn count_values(&mut self, values: u64, different: u64) -> Option<DifferenceKind> {
        let kind = (different > 0).then_some(DifferenceKind::Values);
        self.values = self.values.saturating_add(values);
        self.values_different = self.values_different.saturating_add(different);
        self.count(kind);
        kind
    }

    /// Counts an input that the candidate failed at; `event` is the runtime's word for what happened.
    pub fn count_failure(&mut self, event: &str) {
        if self.failures.len() < FAILURES_MAX || self.failures.contains_key(event) {
            add(self.failures.entry(event.to_owned()).or_default(), 1);
        }
    }

    /// Whether anything would be otherwise: answers, or an input that the candidate failed at.
    pub fn is_empty(&self) -> bool {
        self.different == 0 && self.failures.is_empty()
    }

    fn count(&mut self, kind: Option<DifferenceKind>) {
        add(&mut self.compared, 1);
        match kind {
            None => add(&mut self.same, 1),
            Some(kind) => {
                add(&mut self.different, 1);
                add(self.kinds.entry(kind).or_default(), 1);
            }
        }
    }

    fn keep(&mut self, new: Example) {
        match self.examples.iter().position(|known| known.is_as(&new)) {
            Some(known) => add(&mut self.examples[known].times, 1),
            None if self.examples.len() < EXAMPLES_MAX => self.examples.push(new),
            None => {}
        }
    }

    /// Where findings of the label in the column are counted.
    fn place(&mut self, label: &str, column: &str) -> &mut FindingDifference {
        let column = clean_text(column, COLUMN_BYTES_MAX);
        let at = |findings: &[FindingDifference], column: &str| {
            findings.iter().position(|one| one.label == label && one.column == column)
        };
        let column = match at(&self.findings, &column) {
            None if self.findings.len() >= FINDING_PLACES_MAX => ELSEWHERE.to_owned(),
            Some(_) | None => column,
        };
        let index = at(&self.findings, &column).unwrap_or_else(|| {
            let label = label.to_owned();
            self.findings.push(FindingDifference { label, column, only_active: 0, only_candidate: 0 });
            self.findings.len() - 1
        });
        &mut self.findings[index]
    }
}

impl Example {
    /// Whether both are of the same, however often it was seen.
    fn is_as(&self, other: &Self) -> bool {
        let Self { statement, role, kind, active, candidate, times: _ } = other;
        self.statement == *statement
            && self.role == *role
            && self.kind == *kind
            && self.active == *active
            && self.candidate == *candidate
    }
}

impl FindingDifference {
    fn add(&mut self, more: &Self) {
        add(&mut self.only_active, more.only_active);
        add(&mut self.only_candidate, more.only_candidate);
    }
}

fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Approval, Obligation, ReasonSource};

    fn deny(reason: &str) -> Decision {
        Decision::deny(ReasonSource::Host, reason)
    }

    fn hold(approvers: &[&str]) -> Decision {
        let approvers = approvers.iter().map(|name| (*name).to_owned()).collect();
        let approval = Approval { reason: "why".to_owned(), approvers, ttl_s: 60 };
        Decision::from_verdict(ReasonSource::Host, Verdict::Hold(approval), "why")
    }

    fn rewrite(text: &str) -> Decision {
        Decision::from_verdict(ReasonSource::Host, Verdict::Rewrite(text.to_owned()), "instead")
    }

    #[test]
    fn two_answers_differ_in_the_way_that_matters_most() {
        let check = |active: &Decision, candidate: &Decision, expected: Option<DifferenceKind>| {
            let (active, candidate) = (Answer::of(active), Answer::of(candidate));
            assert_eq!(DifferenceKind::between(&active, &candidate), expected, "{active} | {candidate}");
            assert_eq!(DifferenceKind::between(&active, &active), None);
        };
        let (allow, capped) = (Decision::allow(), Decision::allow().with(Obligation::RowCap(5)));
        check(&allow, &deny("no"), Some(DifferenceKind::AllowToDeny));
        check(&deny("no"), &allow, Some(DifferenceKind::DenyToAllow));
        check(&capped, &deny("no"), Some(DifferenceKind::AllowToDeny));
        check(&hold(&[]), &deny("no"), Some(DifferenceKind::Hold));
        check(&rewrite("x"), &hold(&[]), Some(DifferenceKind::Hold));
        check(&allow, &rewrite("x"), Some(DifferenceKind::Rewrite));
        check(&rewrite("x"), &rewrite("y"), Some(DifferenceKind::Obligations));
        check(&hold(&["a"]), &hold(&["b"]), Some(DifferenceKind::Obligations));
        check(&allow, &capped, Some(DifferenceKind::Obligations));
        check(&deny("no"), &deny("never"), Some(DifferenceKind::Reasons));
        check(&deny("no"), &deny("no"), None);
    }

    #[test]
    fn an_answer_says_all_that_a_client_could_notice() {
        let answer = Answer::of(&hold(&["dba", "owner"]).with(Obligation::RowCap(7)));
        assert_eq!(answer.to_string(), "hold; why; row cap 7; approval by dba, owner within 60 s");
        assert_eq!(Answer::of(&rewrite("SELECT 1")).to_string(), "rewrite; instead; instead: SELECT 1");
    }

    #[test]
    fn examples_are_bounded_cut_and_counted_once_a_shape() {
        let (allow, no) = (Answer::of(&Decision::allow()), Answer::of(&deny("no")));
        let mut tally = Differences::default();
        for _ in 0..3 {
            tally.count_answers("DROP TABLE t", "analyst", &allow, &no);
        }
        tally.count_answers("DROP TABLE t", "engineer", &allow, &no);
        tally.count_answers("SELECT 1", "analyst", &allow, &allow);
        assert_eq!((tally.compared, tally.same, tally.different), (5, 1, 4));
        assert_eq!(tally.kinds, BTreeMap::from([(DifferenceKind::AllowToDeny, 4)]));
        assert_eq!(tally.examples.iter().map(|one| one.times).collect::<Vec<_>>(), [3, 1]);
        for number in 0..EXAMPLES_MAX {
            let long = format!("SELECT c{number}{}", "x".repeat(EXAMPLE_STATEMENT_BYTES_MAX));
            tally.count_answers(&long, "analyst", &allow, &no);
        }
        assert_eq!((tally.examples.len(), tally.different), (EXAMPLES_MAX, 54));
        let longest = tally.examples.iter().map(|one| one.statement.len()).max();
        assert_eq!(longest, Some(EXAMPLE_STATEMENT_BYTES_MAX + "…".len()));
    }

    #[test]
    fn an_example_shows_so_much_of_an_answer_and_no_more() {
        let mut tally = Differences::default();
        let (allow, mut no) = (Answer::of(&Decision::allow()), Answer::of(&deny("no")));
        no.reasons = vec!["r".repeat(600); EXAMPLE_PARTS_MAX + 3];
        tally.count_answers("SELECT 1", "analyst", &allow, &no);
        let shown = &tally.examples[0].candidate.reasons;
        assert_eq!(
            (shown.len(), shown.last().map(String::as_str)),
            (EXAMPLE_PARTS_MAX + 1, Some("and 3 more"))
        );
        assert_eq!(shown[0].len(), EXAMPLE_PART_BYTES_MAX + "…".len());
    }

    #[test]
    fn findings_are_counted_by_place_and_places_are_bounded() {
        let one = |column: &str, only_active, only_candidate| FindingDifference {
            label: "EMAIL".to_owned(),
            column: column.to_owned(),
            only_active,
            only_candidate,
        };
        let mut tally = Differences::default();
        tally.count_findings([one("c", 1, 0), one("c", 0, 2)]);
        tally.count_findings([]);
        assert_eq!(tally.findings, [one("c", 1, 2)]);
        assert_eq!((tally.compared, tally.same, tally.kinds[&DifferenceKind::Findings]), (2, 1, 1));
        for number in 0..2 * FINDING_PLACES_MAX {
            tally.count_findings([one(&format!("c{number}"), 0, 1)]);
        }
        assert_eq!(tally.findings.len(), FINDING_PLACES_MAX + 1);
        let elsewhere = tally.findings.last().map(|last| (last.column.as_str(), last.only_candidate));
        assert_eq!(elsewhere, Some((ELSEWHERE, FINDING_PLACES_MAX as u64 + 1)));
    }

    #[test]
    fn failures_are_apart_from_what_was_compared() {
        let mut tally = Differences::default();
        assert!(tally.is_empty());
        tally.count_failure("deadline");
        tally.count_failure("deadline");
        tally.count_values(10, 0);
        assert_eq!((tally.failures["deadline"], tally.compared, tally.is_empty()), (2, 1, false));
        (0..2 * FAILURES_MAX).for_each(|number| tally.count_failure(&number.to_string()));
        assert_eq!(tally.failures.len(), FAILURES_MAX);
        tally.count_values(10, 4);
        assert_eq!((tally.values, tally.values_different, tally.different), (20, 4, 1));
    }

    #[test]
    fn a_tally_survives_being_written() {
        let mut tally = Differences::default();
        let (allow, no) = (Answer::of(&Decision::allow()), Answer::of(&deny("no")));
        tally.count_answers("SELECT 1", "analyst", &allow, &no);
        tally.count_failure("trap");
        let json = serde_json::to_string(&tally).expect("JSON");
        assert!(json.contains(r#""allow-to-deny":1"#), "{json}");
        assert_eq!(serde_json::from_str::<Differences>(&json).expect("the same"), tally);
    }
}
