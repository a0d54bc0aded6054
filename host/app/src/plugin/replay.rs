//! `grille replay`: asks a candidate what a plugin was asked, and tells what it answers otherwise.
//!
//! Of a policy, the recorded answer is compared with the candidate's. Of a detector, cells are recorded as they were let
//! through, so whatever the candidate finds in them is what it would have found besides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use anyhow::anyhow;
use grille_core::difference::{Answer, Differences, FindingDifference};
use grille_core::recording::{
    RecordedAction, RecordedAsker, RecordedCells, RecordedColumn, RecordedObject, RecordedStatement,
    RecordingEnd, RecordingEntry,
};
use grille_core::{Principal, PrincipalKind, RoleName, UpstreamName};
use grille_plugin::{
    ActionWords, ColumnTexts, ExchangeContext, FieldInfo, ObjectWords, Plugin, PluginFailure, ResultScanner,
    SessionContext,
};
use grille_store::recording::{RecordingFileError, RecordingReader};
use serde::Serialize;

use super::observation::Told;
use super::runtime::{Runtime, settings};
use super::text::{counted, shown};
use super::{Report, Verdict};
use crate::cli::plugin as cli;
use crate::failure::Failure;

/// What a replay tells.
#[derive(Serialize)]
struct Replayed {
    /// Of which plugin the recording is.
    plugin: String,
    /// The candidate's component.
    candidate: String,
    #[serde(flatten)]
    differences: Differences,
    /// Inputs that were left out when they were recorded.
    dropped: u64,
    /// Why the recording ended; none where it has no last line.
    ended: Option<RecordingEnd>,
}

pub(super) fn replay(command: &cli::Replay) -> Result<Report, Failure> {
    let mut corpus = RecordingReader::open(&command.corpus).map_err(unreadable)?;
    let subject = Runtime::start()?.load(&command.candidate)?;
    let plugin = subject.configure(&settings(&command.settings)?)?;
    check(&plugin, &corpus.begun().world)?;
    let mut replayed = Replayed {
        plugin: corpus.begun().plugin.clone(),
        candidate: plugin.record().digest.clone(),
        differences: Differences::default(),
        dropped: 0,
        ended: None,
    };
    while let Some(entry) = corpus.next_entry().map_err(unreadable)? {
        replayed.ask(&plugin, &entry);
    }
    let verdict = if replayed.differences.is_empty() { Verdict::Good } else { Verdict::Different };
    Report::of(&replayed, command.output, verdict)
}

fn unreadable(error: RecordingFileError) -> Failure {
    match error {
        RecordingFileError::NotARecording { .. } | RecordingFileError::UnknownVersion { .. } => {
            Failure::Usage(error.into())
        }
        RecordingFileError::Directory(_) | RecordingFileError::File { .. } => Failure::Other(error.into()),
    }
}

fn check(candidate: &Plugin, recorded: &str) -> Result<(), Failure> {
    let is = candidate.world();
    if is.as_str() != recorded {
        let message = format!("the recording is of a {}, and the candidate is a {is}", shown(recorded));
        return Err(Failure::Usage(anyhow!(message)));
    }
    if !candidate.is_pure() {
        eprintln!(
            "warning: the candidate has clock, state or egress, so its answers do not follow from what is recorded alone; here \
             it reaches no host and has no state from before"
        );
    }
    Ok(())
}

impl Replayed {
    fn ask(&mut self, plugin: &Arc<Plugin>, entry: &RecordingEntry) {
        match entry {
            RecordingEntry::Statement(statement) => self.ask_of_statement(plugin, statement),
            RecordingEntry::Cells(cells) => self.ask_of_cells(plugin, cells),
            RecordingEntry::Ended(ended) => (self.dropped, self.ended) = (ended.dropped, Some(ended.why)),
            RecordingEntry::Begun(_) => {}
        }
    }

    fn ask_of_statement(&mut self, plugin: &Plugin, recorded: &RecordedStatement) {
        let RecordedStatement { asker, action, answer, by: _ } = recorded;
        match plugin.decide_words(&context(asker), &words(action)) {
            Ok(decision) => {
                let candidate = Answer::of(&decision);
                self.differences.count_answers(&action.text, &asker.role, answer, &candidate);
            }
            Err(failure) => self.differences.count_failure(failure.event.as_str()),
        }
    }

    fn ask_of_cells(&mut self, plugin: &Arc<Plugin>, recorded: &RecordedCells) {
        match found(plugin, recorded) {
            Ok(found) => _ = self.differences.count_findings(found),
            Err(failure) => self.differences.count_failure(failure.event.as_str()),
        }
    }
}

/// What the candidate finds in what was let through.
fn found(plugin: &Arc<Plugin>, recorded: &RecordedCells) -> Result<Vec<FindingDifference>, PluginFailure> {
    let field = |column: &RecordedColumn| {
        let (name, origin, kind) = (column.name.clone(), column.origin.clone(), column.kind.clone());
        FieldInfo { name, origin, kind }
    };
    let fields: Vec<FieldInfo> = recorded.columns.iter().map(field).collect();
    let texts: Vec<ColumnTexts> =
        (0..).zip(&recorded.columns).map(|(index, column)| texts(index, &column.texts)).collect();
    let context = context(&recorded.asker);
    let findings = ResultScanner::new(std::slice::from_ref(plugin), context, fields.clone()).scan(&texts)?;
    let mut places: BTreeMap<(Arc<str>, u32), u64> = BTreeMap::new();
    for finding in findings {
        *places.entry((finding.label, finding.field)).or_default() += 1;
    }
    let difference = |((label, field), only_candidate): ((Arc<str>, u32), u64)| {
        let field = fields.get(field as usize).cloned().unwrap_or_default();
        let column = if field.origin.is_empty() { field.name } else { field.origin };
        FindingDifference { label: label.to_string(), column, only_active: 0, only_candidate }
    };
    Ok(places.into_iter().map(difference).collect())
}

fn texts(field: u32, texts: &[String]) -> ColumnTexts {
    let mut column = ColumnTexts::new(field);
    texts.iter().for_each(|text| column.push(text));
    column
}

/// As far as it was recorded; what was not is empty.
fn context(asker: &RecordedAsker) -> ExchangeContext {
    let kinds = [PrincipalKind::Human, PrincipalKind::Workload, PrincipalKind::Agent];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == asker.kind).unwrap_or(PrincipalKind::Human);
    let session = SessionContext {
        protocol: "postgres",
        principal: Principal {
            issuer: String::new(),
            subject: asker.subject.clone(),
            groups: asker.groups.clone(),
            kind,
            token_id: None,
            expires_at: 0,
        },
        role: RoleName::new(&asker.role),
        upstream: UpstreamName::new(&asker.upstream),
        target: asker.target.clone(),
        client: String::new(),
    };
    ExchangeContext::new(1, &Arc::new(session))
}

fn words(action: &RecordedAction) -> ActionWords {
    let object = |object: &RecordedObject| {
        let (kind, name, access) = (object.kind.clone(), object.name.clone(), object.access.clone());
        ObjectWords { kind, name, access }
    };
    ActionWords {
        kind: action.kind.clone(),
        effects: action.effects.clone(),
        objects: action.objects.iter().map(object).collect(),
        features: action.features.clone(),
        text: action.text.clone(),
        // Only equality with others means anything, and what is no number is equal to nothing that is one.
        fingerprint: u64::from_str_radix(&action.fingerprint, 16).unwrap_or_default(),
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.candidate.get(..12).unwrap_or(&self.candidate);
        writeln!(f, "what {} was asked, asked of sha256:{digest}", shown(&self.plugin))?;
        Told(&self.differences).fmt(f)?;
        if self.dropped > 0 {
            let inputs = counted(usize::try_from(self.dropped).unwrap_or(usize::MAX), "input");
            writeln!(f, "{inputs} left out when they were recorded")?;
        }
        match self.ended {
            Some(why) => writeln!(f, "the recording is whole: {}", why.as_str()),
            None => writeln!(f, "the recording has no end: Grille was killed, or is still writing it"),
        }
    }
}
