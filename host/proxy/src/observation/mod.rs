//! Off-path observation: what candidates in the shadow would have answered, and recordings of what plugins were asked.
//!
//! A session that has its answer looks whether the input is wanted ([`Observer::watch`]), copies it within bounds, puts it
//! into a queue, and goes on; where there is no room it counts what is missed. One thread of low priority works the queue off.
//!
//! Architecture invariant: nothing here can change an answer or hold one up. Sessions get nothing back, wait for no lock that is
//! held across a plugin's call or a write to the disk, and pay one look at an empty set where nothing is observed.

mod compare;
mod copy;
mod counters;
mod input;
mod interest;
mod queue;
mod recorder;
mod reports;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use grille_core::observation::DifferenceReport;
use grille_core::recording::{RecordedColumn, RecordingStatus, TreatedCount};
use grille_core::{Action, Decision, PluginId};
use grille_plugin::{ColumnTexts, FieldInfo, Plugin, PluginFailure};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use crate::decisions::weight;
use crate::generation::Generation;
use copy::Copied;
use counters::Counters;
pub(crate) use input::Occasion;
use input::{Cells, Input, Pair, Recorded, Released, Statement, Values};
use interest::{Interest, Missed};
use queue::{Allowance, BLOCKS_PER_SECOND_MAX, Bounds, Queue};
use recorder::Recorder;
pub use recorder::{RECORDING_INPUTS_MAX, RECORDING_TIME_MAX, RecordingError, RecordingOrder};
use reports::Reports;

/// What a session or a block costs in the queue besides its content, in bytes.
const INPUT_BYTES: usize = 1024;
/// Longest time that an operator who ends a recording waits for inputs that are still in the queue; what takes longer, behind a
/// candidate that hangs, is not in it.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(10);

/// See the module's documentation. One a process.
#[derive(Debug)]
pub(crate) struct Observer {
    scene: Arc<Scene>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

/// What sessions, operators and the worker share.
#[derive(Debug)]
struct Scene {
    interest: ArcSwap<Interest>,
    queue: Queue<Input>,
    blocks: Allowance,
    reports: Reports,
    recorder: Recorder,
    counters: Counters,
}

/// Somebody wants to know what comes of an input of a plugin.
#[derive(Debug)]
pub(crate) struct Watch<'o> {
    scene: &'o Scene,
    active: &'o Arc<Plugin>,
    shadow: Option<Shadow>,
    recording: Option<Arc<Missed>>,
    since: Instant,
}

#[derive(Debug)]
struct Shadow {
    candidate: Arc<Plugin>,
    missed: Arc<Missed>,
}

/// By whom an input is wanted.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Shadow,
    Recording,
    Either,
}

/// The result that a detector has looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned<'s> {
    /// All columns of the result.
    pub(crate) fields: &'s Arc<[FieldInfo]>,
    /// Labels whose findings count for nothing under the role.
    pub(crate) kept: &'s [String],
}

impl Observer {
    /// Begins to observe what it is told to, and registers what it counts. Where the system has no thread to give, everything
    /// is missed, which hurts nobody.
    pub(crate) fn start(registry: &mut Registry) -> Self {
        let scene = Arc::new(Scene {
            interest: ArcSwap::default(),
            queue: Queue::new(Bounds::default()),
            blocks: Allowance::new(BLOCKS_PER_SECOND_MAX),
            reports: Reports::default(),
            recorder: Recorder::default(),
            counters: Counters::register(registry),
        });
        let worker = worker::start(Arc::clone(&scene));
        let worker = worker.inspect_err(|error| tracing::error!(%error, "nothing is observed: no thread"));
        Self { scene, worker: Mutex::new(worker.ok()) }
    }

    /// Looks at the candidates of a generation that has become active.
    pub(crate) fn follow(&self, generation: &Generation) {
        self.scene.reports.follow(generation, Instant::now());
        self.scene.renew_interest();
    }

    /// Whether somebody wants to know what comes of an input of a plugin, against which `candidate` is tried. Asked before the
    /// plugin is: the time it takes counts from here. None nearly always.
    pub(crate) fn watch<'o>(
        &'o self,
        active: &'o Arc<Plugin>,
        candidate: Option<&Arc<Plugin>>,
    ) -> Option<Watch<'o>> {
        let interest = self.scene.interest.load();
        if interest.is_none() {
            return None;
        }
        let shadow = candidate.and_then(|candidate| {
            let missed = Arc::clone(interest.shadowed.get(active.id())?);
            Some(Shadow { candidate: Arc::clone(candidate), missed })
        });
        let recording = interest.recorded.get(active.id()).filter(|_| active.is_pure()).cloned();
        let is_wanted = shadow.is_some() || recording.is_some();
        let since = Instant::now();
        is_wanted.then_some(Watch { scene: &self.scene, active, shadow, recording, since })
    }

    /// Whether anything at all is observed: for what must be prepared before it is known of which plugin.
    pub(crate) fn is_busy(&self) -> bool {
        !self.scene.interest.load().is_none()
    }

    /// What a candidate in the shadow of this plugin has answered otherwise, or the last one had.
    pub(crate) fn differences(&self, plugin: &PluginId) -> Option<DifferenceReport> {
        self.scene.reports.of(plugin, Instant::now())
    }

    /// Begins a recording of a plugin of the active generation. Waits for the disk.
    pub(crate) fn record(
        &self,
        generation: &Generation,
        order: &RecordingOrder,
    ) -> Result<RecordingStatus, RecordingError> {
        let slot = generation.slot(&order.plugin);
        let slot = slot.ok_or_else(|| RecordingError::NoSuchPlugin(order.plugin.clone()))?;
        let status = self.scene.recorder.begin(&slot.active, order, Instant::now())?;
        self.scene.renew_interest();
        // What is remembered is not judged again.
        generation.decisions.forget();
        // The worker learns when this one ends.
        self.scene.queue.stir();
        Ok(status)
    }

    /// Ends a recording once it has all that came before, or says how it ended by itself. Waits for the worker and the disk.
    pub(crate) fn stop_recording(&self, plugin: &PluginId) -> Result<RecordingStatus, RecordingError> {
        self.scene.queue.settle(Instant::now() + SETTLE_TIME_MAX);
        let status = self.scene.recorder.stop(plugin);
        self.scene.renew_interest();
        status
    }

    /// Observes nothing more, and waits until the worker has ended: for at most as long as a plugin's call may take.
    pub(crate) fn close(&self) {
        self.scene.queue.close();
        if let Some(worker) = self.worker.lock().take()
            && worker.join().is_err()
        {
            tracing::error!("the observation's thread panicked");
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Scene {
    /// After candidates or recordings have come or gone.
    fn renew_interest(&self) {
        // Two at once may both be late; each looks anew, and the last one stores what is.
        self.interest
            .rcu(|_| Interest { shadowed: self.reports.running(), recorded: self.recorder.wanted() });
    }
}

impl Watch<'_> {
    /// A policy has answered.
    pub(crate) fn judged(
        self,
        occasion: Occasion,
        action: &Action,
        answer: &Result<Decision, PluginFailure>,
    ) {
        let took = self.since.elapsed();
        let bytes = INPUT_BYTES + weight(action);
        self.put(bytes, Wanted::Either, || {
            Input::Statement(Box::new(Statement {
                active: Arc::clone(self.active),
                candidate: self.shadow.as_ref().map(|shadow| Arc::clone(&shadow.candidate)),
                occasion,
                action: action.clone(),
                answer: answer.clone(),
                took,
                recording: if self.recording.is_some() { Recorded::Yes } else { Recorded::No },
            }))
        });
    }

    /// A detector has looked at the texts of these columns.
    pub(crate) fn looked_at<'c>(
        self,
        occasion: Occasion,
        scanned: Scanned<'_>,
        columns: impl Iterator<Item = &'c ColumnTexts> + Clone,
    ) {
        let Some(pair) = self.block() else { return };
        let copied = copy::columns(columns);
        self.count_cut(&copied);
        self.put(INPUT_BYTES + copied.bytes, Wanted::Shadow, || {
            Input::Cells(Box::new(Cells {
                pair,
                occasion,
                fields: Arc::clone(scanned.fields),
                kept: scanned.kept.to_vec(),
                columns: copied.content,
            }))
        });
    }

    /// A masker has replaced these values.
    pub(crate) fn masked(self, occasion: Occasion, field: &FieldInfo, values: &[&str]) {
        let Some(pair) = self.block() else { return };
        let copied = copy::values(values);
        self.count_cut(&copied);
        self.put(INPUT_BYTES + copied.bytes, Wanted::Shadow, || {
            Input::Values(Box::new(Values { pair, occasion, field: field.clone(), values: copied.content }))
        });
    }

    /// Whether cells that are released past the plugin are wanted: they are recorded, and a block may be copied now.
    pub(crate) fn wants_released(&self) -> bool {
        if self.recording.is_none() {
            return false;
        }
        let takes = self.takes_block();
        if !takes {
            self.miss(Wanted::Recording);
        }
        takes
    }

    /// A client gets these cells past the plugin, as they are now: whatever was to be masked in them is. Asked for before by
    /// [`Self::wants_released`].
    pub(crate) fn released<'c>(
        self,
        occasion: Occasion,
        fields: &[FieldInfo],
        columns: impl Iterator<Item = &'c ColumnTexts> + Clone,
        treated: Vec<TreatedCount>,
    ) {
        let copied = copy::columns(columns);
        let recorded = |column: &ColumnTexts| {
            let field = fields.get(column.field() as usize).cloned().unwrap_or_default();
            let texts = copy::texts(column).map(str::to_owned).collect();
            RecordedColumn { name: field.name, origin: field.origin, kind: field.kind, texts }
        };
        self.put(INPUT_BYTES + copied.bytes, Wanted::Recording, || {
            let columns = copied.content.iter().map(recorded).collect();
            Input::Released(Box::new(Released {
                plugin: Arc::clone(self.active),
                occasion,
                columns,
                treated,
            }))
        });
    }

    /// The two revisions that are to look at a block; none where nobody may.
    fn block(&self) -> Option<Pair> {
        let shadow = self.shadow.as_ref()?;
        if !self.takes_block() {
            self.miss(Wanted::Shadow);
            return None;
        }
        Some(Pair { active: Arc::clone(self.active), candidate: Arc::clone(&shadow.candidate) })
    }

    /// Whether a block may be copied now: there is room, and not too many were in this second.
    fn takes_block(&self) -> bool {
        self.scene.queue.has_room(INPUT_BYTES + copy::BLOCK_COPIED_BYTES_MAX)
            && self.scene.blocks.take(Instant::now())
    }

    fn count_cut<T>(&self, copied: &Copied<T>) {
        if let Some(shadow) = self.shadow.as_ref().filter(|_| copied.is_cut) {
            shadow.missed.cut_one();
        }
    }

    /// Makes the input and puts it in, if there is room.
    fn put(&self, bytes: usize, wanted: Wanted, input: impl FnOnce() -> Input) {
        if !self.scene.queue.has_room(bytes) || self.scene.queue.push(bytes, input()).is_err() {
            self.miss(wanted);
        }
    }

    fn miss(&self, wanted: Wanted) {
        self.scene.counters.dropped(self.active.id());
        let by_shadow = self.shadow.as_ref().map(|shadow| &shadow.missed);
        let (by_shadow, by_recording) = match wanted {
            Wanted::Shadow => (by_shadow, None),
            Wanted::Recording => (None, self.recording.as_ref()),
            Wanted::Either => (by_shadow, self.recording.as_ref()),
        };
        by_shadow.into_iter().chain(by_recording).for_each(|missed| missed.drop_one());
    }
}
