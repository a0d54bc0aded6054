//! Recordings of the inputs of pure plugins: begun by an operator, bounded in time, number and bytes, written by the worker.
//!
//! What goes in is minimised here: no literal, no cell as it was before its treatment, no name of a principal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use grille_core::PluginId;
use grille_core::difference::Answer;
use grille_core::recording::{
    AnsweredBy, RECORDING_VERSION, RecordedAction, RecordedCells, RecordedStatement, RecordingBegun,
    RecordingEnd, RecordingEnded, RecordingEntry, RecordingStatus,
};
use grille_plugin::{Plugin, World};
use grille_store::recording::{RecordingFileError, RecordingWriter, Written};
use parking_lot::Mutex;

use super::input::{Occasion, Released, Statement};
use super::interest::Missed;
use crate::cancel::random;

/// Longest time for which a recording goes on.
pub const RECORDING_TIME_MAX: Duration = Duration::from_hours(24);
/// Most inputs of one recording.
pub const RECORDING_INPUTS_MAX: u64 = 1_000_000;
/// Most recordings at once. Each may take [`grille_store::recording::RECORDING_BYTES_MAX`] on the disk.
const RECORDINGS_MAX: usize = 8;
/// Most recordings that have ended of which it is still known how.
const ENDED_KEPT_MAX: usize = 64;
/// How much of a keyed hash stands for a subject, in bytes: enough that no two principals share it.
const PSEUDONYM_BYTES: usize = 16;

/// Shortest name that is looked for in a policy's words, in bytes: a shorter one would be found in words that do not mean it.
const NAME_BYTES_MIN: usize = 3;

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct RecordingOrder {
    /// The plugin's name in the configuration.
    pub plugin: PluginId,
    /// Where the file is to be; made for us alone if it is not there.
    pub directory: PathBuf,
    /// After how long it ends by itself; at most [`RECORDING_TIME_MAX`].
    pub time_max: Duration,
    /// After how many inputs it ends by itself; at most [`RECORDING_INPUTS_MAX`].
    pub inputs_max: u64,
}

/// Nothing is recorded. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// No plugin has the name.
    #[error("no plugin is named {0} in the configuration")]
    NoSuchPlugin(PluginId),
    /// Its answers do not follow from its inputs.
    #[error(
        "plugin {plugin} has {capabilities}, so its answers do not follow from its inputs alone, and a recording of these would \
         tell nothing; only plugins without clock, state and egress can be recorded"
    )]
    Impure {
        /// Which.
        plugin: PluginId,
        /// What it has.
        capabilities: String,
    },
    /// Its inputs are the very values that must not be written down.
    #[error("plugin {0} is a masker: its inputs are what is to be masked, and are never written down")]
    Masker(PluginId),
    /// Too long, too much, or nothing.
    #[error(
        "a recording goes on for at most {} h and {RECORDING_INPUTS_MAX} inputs, and for more than none",
        RECORDING_TIME_MAX.as_secs() / 3600
    )]
    OverLimit,
    /// It is recorded already.
    #[error("plugin {plugin} is being recorded, into {file}; end that with --stop first")]
    UnderWay {
        /// Which.
        plugin: PluginId,
        /// The file.
        file: String,
    },
    /// Others are.
    #[error("{RECORDINGS_MAX} recordings are under way, and there may be no more at once")]
    TooMany,
    /// It is not recorded.
    #[error("plugin {0} is not being recorded, and has not been since Grille started")]
    NotRecorded(PluginId),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes, so no principal could be given another name")]
    NoRandomness,
    /// The disk.
    #[error(transparent)]
    File(#[from] RecordingFileError),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Recordings>);

#[derive(Debug, Default)]
struct Recordings {
    open: BTreeMap<PluginId, Recording>,
    ended: BTreeMap<PluginId, RecordingStatus>,
}

struct Recording {
    writer: RecordingWriter,
    /// Drawn for this recording, kept nowhere.
    key: hmac::Key,
    until: Instant,
    inputs_max: u64,
    inputs: u64,
    missed: Arc<Missed>,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("path", &self.writer.path()).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Begins a recording of a plugin. Waits for the disk.
    pub(super) fn begin(
        &self,
        plugin: &Plugin,
        order: &RecordingOrder,
        now: Instant,
    ) -> Result<RecordingStatus, RecordingError> {
        check(plugin, order)?;
        let mut recordings = self.0.lock();
        if let Some(known) = recordings.open.get(&order.plugin) {
            let file = known.writer.path().display().to_string();
            return Err(RecordingError::UnderWay { plugin: order.plugin.clone(), file });
        }
        if recordings.open.len() >= RECORDINGS_MAX {
            return Err(RecordingError::TooMany);
        }
        let key = random::<32>().map_err(|_| RecordingError::NoRandomness)?;
        let recording = Recording {
            writer: RecordingWriter::create(&order.directory, begun(plugin))?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            until: now + order.time_max,
            inputs_max: order.inputs_max,
            inputs: 0,
            missed: Arc::default(),
        };
        let status = recording.status(&order.plugin, now);
        recordings.ended.remove(&order.plugin);
        recordings.open.insert(order.plugin.clone(), recording);
        Ok(status)
    }

    /// Ends a recording, or says how it ended by itself. Waits for the disk.
    pub(super) fn stop(&self, plugin: &PluginId) -> Result<RecordingStatus, RecordingError> {
        let mut recordings = self.0.lock();
        recordings.end(plugin, RecordingEnd::Stopped);
        recordings.ended.get(plugin).cloned().ok_or_else(|| RecordingError::NotRecorded(plugin.clone()))
    }

    /// The plugins whose inputs are wanted, and where to count what is missed.
    pub(super) fn wanted(&self) -> BTreeMap<PluginId, Arc<Missed>> {
        let recordings = self.0.lock();
        let open = recordings.open.iter();
        open.map(|(plugin, recording)| (plugin.clone(), Arc::clone(&recording.missed))).collect()
    }

    /// When the next recording ends by itself.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.0.lock().open.values().map(|recording| recording.until).min()
    }

    /// Ends those whose time is over. Whether there were any.
    pub(super) fn end_overdue(&self, now: Instant) -> bool {
        let mut recordings = self.0.lock();
        let overdue = recordings.open.iter().filter(|(_, recording)| recording.until <= now);
        let overdue: Vec<PluginId> = overdue.map(|(plugin, _)| plugin.clone()).collect();
        overdue.iter().for_each(|plugin| recordings.end(plugin, RecordingEnd::Time));
        !overdue.is_empty()
    }

    /// Ends all of them.
    pub(super) fn end_all(&self) {
        let mut recordings = self.0.lock();
        let open: Vec<PluginId> = recordings.open.keys().cloned().collect();
        open.iter().for_each(|plugin| recordings.end(plugin, RecordingEnd::Shutdown));
    }

    /// Records a statement that a policy answered; one that it failed at is none. Whether that was the last.
    pub(super) fn statement(&self, statement: &Statement) -> bool {
        let Ok(decision) = &statement.answer else { return false };
        let plugin = &statement.active;
        self.write(plugin.id(), |recording| {
            let pseudonym = recording.pseudonym(&statement.occasion);
            RecordingEntry::Statement(RecordedStatement {
                answer: unnamed(Answer::of(decision), &statement.occasion, &pseudonym),
                asker: statement.occasion.asker(pseudonym),
                action: RecordedAction::of(&statement.action),
                by: answered_by(plugin),
            })
        })
    }

    /// Records cells that a client got. Whether that was the last.
    pub(super) fn released(&self, released: &Released) -> bool {
        self.write(released.plugin.id(), |recording| {
            RecordingEntry::Cells(RecordedCells {
                asker: released.occasion.asker(recording.pseudonym(&released.occasion)),
                columns: released.columns.clone(),
                treated: released.treated.clone(),
                by: answered_by(&released.plugin),
            })
        })
    }

    fn write(&self, plugin: &PluginId, entry: impl FnOnce(&Recording) -> RecordingEntry) -> bool {
        let mut recordings = self.0.lock();
        let Some(recording) = recordings.open.get_mut(plugin) else { return false };
        let end = recording.write(entry(recording));
        if let Some(end) = end {
            recordings.end(plugin, end);
        }
        end.is_some()
    }
}

fn check(plugin: &Plugin, order: &RecordingOrder) -> Result<(), RecordingError> {
    match plugin.world() {
        World::Policy | World::Detector => {}
        World::Masker => return Err(RecordingError::Masker(order.plugin.clone())),
    }
    if !plugin.is_pure() {
        let impure = plugin.capabilities().filter(|capability| !capability.is_pure());
        let capabilities = impure.map(|capability| capability.to_string()).collect::<Vec<_>>().join(", ");
        return Err(RecordingError::Impure { plugin: order.plugin.clone(), capabilities });
    }
    let times = Duration::from_secs(1)..=RECORDING_TIME_MAX;
    match times.contains(&order.time_max) && (1..=RECORDING_INPUTS_MAX).contains(&order.inputs_max) {
        true => Ok(()),
        false => Err(RecordingError::OverLimit),
    }
}

/// A policy may name whom it answers, and what the client calls itself.
fn unnamed(answer: Answer, occasion: &Occasion, pseudonym: &str) -> Answer {
    let session = &occasion.session;
    let names = [&session.principal.subject, &session.principal.issuer, &session.client];
    let unname = |text: String| {
        let known = names.iter().filter(|name| name.len() >= NAME_BYTES_MIN);
        known.fold(text, |text, name| text.replace(name.as_str(), pseudonym))
    };
    Answer {
        verdict: answer.verdict,
        reasons: answer.reasons.into_iter().map(unname).collect(),
        obligations: answer.obligations.into_iter().map(unname).collect(),
    }
}

fn begun(plugin: &Plugin) -> RecordingBegun {
    RecordingBegun {
        v: RECORDING_VERSION,
        plugin: plugin.id().to_string(),
        world: plugin.world().as_str().to_owned(),
        id: plugin.metadata().id.clone(),
        version: plugin.metadata().version.clone(),
    }
}

fn answered_by(plugin: &Plugin) -> AnsweredBy {
    let record = plugin.record();
    AnsweredBy { digest: record.digest.clone(), settings: record.settings.clone() }
}

impl Recordings {
    /// Ends one if it is open, and says so in the log and in its last line.
    fn end(&mut self, plugin: &PluginId, why: RecordingEnd) {
        let Some(mut recording) = self.open.remove(plugin) else { return };
        let ended = RecordingEnded { why, inputs: recording.inputs, dropped: recording.missed.dropped() };
        if let Err(error) = recording.writer.write(RecordingEntry::Ended(ended)) {
            tracing::warn!(%plugin, %error, "a recording has no last line");
        }
        let status =
            RecordingStatus { ends_in_s: 0, ended: Some(why), ..recording.status(plugin, recording.until) };
        let (inputs, dropped, file) = (status.inputs, status.dropped, &status.file);
        tracing::info!(%plugin, inputs, dropped, file, why = why.as_str(), "a recording has ended");
        if self.ended.len() >= ENDED_KEPT_MAX {
            self.ended.pop_first();
        }
        self.ended.insert(plugin.clone(), status);
    }
}

impl Recording {
    /// Why it is over with that, if it is.
    fn write(&mut self, entry: RecordingEntry) -> Option<RecordingEnd> {
        match self.writer.write(entry) {
            Ok(Written::Whole) => self.inputs += 1,
            Ok(Written::TooLong) => self.missed.drop_one(),
            Ok(Written::Full) => return Some(RecordingEnd::Bytes),
            Err(error) => {
                tracing::warn!(error = %error, file = %self.writer.path().display(), "a recording failed");
                return Some(RecordingEnd::Disk);
            }
        }
        (self.inputs >= self.inputs_max).then_some(RecordingEnd::Inputs)
    }

    /// What stands for whoever asked: equal for equal ones within this recording, and of no use outside it.
    fn pseudonym(&self, occasion: &Occasion) -> String {
        let principal = &occasion.session.principal;
        let mut hash = hmac::Context::with_key(&self.key);
        for text in [&principal.issuer, &principal.subject] {
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        let tag = hash.sign();
        tag.as_ref().iter().take(PSEUDONYM_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }

    fn status(&self, plugin: &PluginId, now: Instant) -> RecordingStatus {
        RecordingStatus {
            plugin: plugin.to_string(),
            file: self.writer.path().display().to_string(),
            inputs: self.inputs,
            dropped: self.missed.dropped(),
            bytes: self.writer.bytes(),
            ends_in_s: self.until.saturating_duration_since(now).as_secs(),
            ended: None,
        }
    }
}
