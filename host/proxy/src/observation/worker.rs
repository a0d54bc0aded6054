//! The thread that works the queue off, beside everything else: it compares and records. A fault of our own on the way costs one
//! input, is logged and counted, and ends nothing.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use grille_core::PluginId;
use grille_plugin::Plugin;

use super::Scene;
use super::compare::{self, Compared};
use super::input::{Cells, Input, Pair, Recorded, Statement, Values};
use super::queue::Popped;
use super::reports::{Counted, Shown};

/// How much less than a session's the thread's share of a processor is to be: the least there is (nice(2)).
const NICENESS: i32 = 19;

/// Starts it. It ends when the queue is closed.
pub(super) fn start(scene: Arc<Scene>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("observation".into()).spawn(move || {
        // On Linux, niceness is the thread's own (nice(2), "C library/kernel differences"), and counts for more than a share of
        // what is free.
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::warn!(%error, "observation runs at the priority of sessions");
        }
        work(&scene);
    })
}

fn work(scene: &Scene) {
    loop {
        match scene.queue.pop(scene.recorder.next_end()) {
            Popped::Item(input) => guarded(scene, input.plugin(), || look(scene, &input)),
            Popped::Nothing => {}
            Popped::Closed => break,
        }
        if scene.recorder.end_overdue(Instant::now()) {
            scene.renew_interest();
        }
    }
    scene.recorder.end_all();
}

/// Nothing of what it looks at is half changed after a panic but the report, whose figures may be off by this input.
pub(super) fn guarded(scene: &Scene, plugin: &PluginId, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!(%plugin, "a panic while an input was observed: it is left out");
        scene.reports.fault(plugin);
    }
}

fn look(scene: &Scene, input: &Input) {
    let was_last = match input {
        Input::Statement(statement) => {
            let was_last = statement.recording == Recorded::Yes && scene.recorder.statement(statement);
            compare_statement(scene, statement);
            was_last
        }
        Input::Released(released) => scene.recorder.released(released),
        Input::Cells(cells) => {
            compare_cells(scene, cells);
            false
        }
        Input::Values(values) => {
            compare_values(scene, values);
            false
        }
    };
    if was_last {
        scene.renew_interest();
    }
}

fn compare_statement(scene: &Scene, statement: &Statement) {
    let Some(candidate) = &statement.candidate else { return };
    let pair = Pair { active: Arc::clone(&statement.active), candidate: Arc::clone(candidate) };
    let shown = Shown { statement: &statement.action.text, role: statement.occasion.session.role.as_str() };
    if scene.reports.asks(&pair) {
        scene.count(&pair, &compare::statement(statement, candidate), shown);
    }
}

fn compare_cells(scene: &Scene, cells: &Cells) {
    if scene.reports.asks(&cells.pair) {
        scene.count(&cells.pair, &compare::cells(cells), NOTHING_SHOWN);
    }
}

fn compare_values(scene: &Scene, values: &Values) {
    if scene.reports.asks(&values.pair) {
        scene.count(&values.pair, &compare::values(values), NOTHING_SHOWN);
    }
}

/// Of cells, a report has counts only.
const NOTHING_SHOWN: Shown<'static> = Shown { statement: "", role: "" };

impl Scene {
    fn count(&self, pair: &Pair, compared: &Compared, shown: Shown<'_>) {
        let plugin = pair.active.id();
        match self.reports.count(pair, compared, shown) {
            Counted::Same => self.counters.same(plugin),
            Counted::Different => self.counters.different(plugin),
            Counted::Failed => self.counters.failed(plugin),
            Counted::GaveUp => {
                self.counters.failed(plugin);
                tell_given_up(&pair.candidate);
                self.renew_interest();
            }
            Counted::Dropped => self.counters.dropped(plugin),
            Counted::Stale => {}
        }
    }
}

fn tell_given_up(candidate: &Plugin) {
    let (plugin, digest) = (candidate.id(), &candidate.record().digest);
    tracing::warn!(%plugin, digest, "a candidate in the shadow fails again and again: it is asked no more");
}

impl Input {
    fn plugin(&self) -> &PluginId {
        match self {
            Self::Statement(statement) => statement.active.id(),
            Self::Cells(cells) => cells.pair.active.id(),
            Self::Values(values) => values.pair.active.id(),
            Self::Released(released) => released.plugin.id(),
        }
    }
}
