//! The reports of what candidates in the shadow would have answered: one for each slot, from when a candidate came into the
//! shadow until the next one does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_core::PluginId;
use grille_core::difference::Differences;
use grille_core::observation::{DifferenceReport, Latency, Observed, ShadowState};
use grille_plugin::{Plugin, World};
use parking_lot::Mutex;

use super::compare::{Answers, Compared, Took};
use super::input::Pair;
use super::interest::Missed;
use crate::generation::Generation;

/// Most reports kept, those of candidates that have left the shadow included.
const REPORTS_MAX: usize = 64;
/// Of how many answers the latency is told: the last ones.
const TIMES_KEPT_MAX: usize = 4096;
/// How often in a row a candidate may fail before it is left alone: at a quarter of a second for one that hangs, it has taken a
/// processor five seconds by then.
const FAILURES_IN_A_ROW_MAX: u32 = 20;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<BTreeMap<PluginId, Report>>);

#[derive(Debug)]
struct Report {
    world: World,
    active: Side,
    candidate: Side,
    begun: Instant,
    state: State,
    failures_in_a_row: u32,
    differences: Differences,
    active_failures: u64,
    missed: Arc<Missed>,
    faults: u64,
}

/// A revision, and how long its last answers took.
#[derive(Debug)]
struct Side {
    digest: String,
    settings: String,
    times_us: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    GivenUp,
    Over { since: Instant },
}

/// A statement as a report shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'s> {
    /// Without its literals.
    pub(super) statement: &'s str,
    pub(super) role: &'s str,
}

/// What counting a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Both answered alike.
    Same,
    /// They did not.
    Different,
    /// One of them failed.
    Failed,
    /// The candidate failed, and is asked no more.
    GaveUp,
    /// Nobody looked.
    Dropped,
    /// It is of other revisions than the report.
    Stale,
}

impl Reports {
    /// Begins reports of candidates that have come into the shadow, and ends those of candidates that have left it.
    pub(super) fn follow(&self, generation: &Generation, now: Instant) {
        let mut reports = self.0.lock();
        for (name, slot) in generation.slots() {
            match slot.shadow() {
                Some(candidate) => {
                    let goes_on = reports.get(name).is_some_and(|known| known.is_of(&slot.active, candidate));
                    if !goes_on {
                        reports.insert(name.clone(), Report::new(&slot.active, candidate, now));
                    }
                }
                None => _ = reports.get_mut(name).map(|known| known.end(now)),
            }
        }
        for (name, report) in &mut *reports {
            if generation.slot(name).is_none() {
                report.end(now);
            }
        }
        trim(&mut reports);
    }

    /// The slots whose candidates are asked, and where to count what is missed.
    pub(super) fn running(&self) -> BTreeMap<PluginId, Arc<Missed>> {
        let reports = self.0.lock();
        let running = reports.iter().filter(|(_, report)| matches!(report.state, State::Running));
        running.map(|(name, report)| (name.clone(), Arc::clone(&report.missed))).collect()
    }

    /// Whether a candidate is still to be asked: its report goes on, and it was not given up.
    pub(super) fn asks(&self, pair: &Pair) -> bool {
        let reports = self.0.lock();
        let report =
            reports.get(pair.active.id()).filter(|report| report.is_of(&pair.active, &pair.candidate));
        report.is_some_and(|report| matches!(report.state, State::Running))
    }

    /// Counts what came of a comparison.
    pub(super) fn count(&self, pair: &Pair, compared: &Compared, shown: Shown<'_>) -> Counted {
        let mut reports = self.0.lock();
        match reports.get_mut(pair.active.id()).filter(|report| report.is_of(&pair.active, &pair.candidate)) {
            Some(report) => report.count(compared, shown),
            None => Counted::Stale,
        }
    }

    /// Counts a comparison that ended in a fault of our own.
    pub(super) fn fault(&self, plugin: &PluginId) {
        if let Some(report) = self.0.lock().get_mut(plugin) {
            report.faults += 1;
        }
    }

    /// The report of a slot.
    pub(super) fn of(&self, plugin: &PluginId, now: Instant) -> Option<DifferenceReport> {
        let (mut report, times) = {
            let reports = self.0.lock();
            let report = reports.get(plugin)?;
            (report.told(plugin, now), [report.active.times(), report.candidate.times()])
        };
        // Sorting takes longer than a session should wait to count what it drops.
        let [active, candidate] = times.map(Latency::of);
        report.active.latency = active;
        report.candidate.latency = candidate;
        Some(report)
    }
}

/// Those that were over first go first.
fn trim(reports: &mut BTreeMap<PluginId, Report>) {
    while reports.len() > REPORTS_MAX {
        let over = reports.iter().filter_map(|(name, report)| match report.state {
            State::Over { since } => Some((since, name.clone())),
            State::Running | State::GivenUp => None,
        });
        let Some((_, oldest)) = over.min() else { return };
        reports.remove(&oldest);
    }
}

impl Report {
    fn new(active: &Plugin, candidate: &Plugin, now: Instant) -> Self {
        Self {
            world: active.world(),
            active: Side::of(active),
            candidate: Side::of(candidate),
            begun: now,
            state: State::Running,
            failures_in_a_row: 0,
            differences: Differences::default(),
            active_failures: 0,
            missed: Arc::default(),
            faults: 0,
        }
    }

    /// Whether it goes on for these two.
    fn is_of(&self, active: &Plugin, candidate: &Plugin) -> bool {
        let goes_on = match self.state {
            State::Running | State::GivenUp => true,
            State::Over { .. } => false,
        };
        goes_on && self.active.is(active) && self.candidate.is(candidate)
    }

    fn end(&mut self, now: Instant) {
        match self.state {
            State::Running | State::GivenUp => self.state = State::Over { since: now },
            State::Over { .. } => {}
        }
    }

    fn count(&mut self, compared: &Compared, shown: Shown<'_>) -> Counted {
        match compared {
            Compared::ActiveFailed => {
                self.active_failures += 1;
                Counted::Failed
            }
            Compared::NoRoom => {
                self.missed.drop_one();
                Counted::Dropped
            }
            Compared::CandidateFailed(event) => {
                self.differences.count_failure(event);
                self.note_failure()
            }
            Compared::Both { took, answers } => {
                self.failures_in_a_row = 0;
                self.note_times(*took);
                self.count_answers(answers, shown)
            }
        }
    }

    fn note_failure(&mut self) -> Counted {
        self.failures_in_a_row += 1;
        match self.state {
            State::Running if self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX => {
                self.state = State::GivenUp;
                Counted::GaveUp
            }
            State::Running | State::GivenUp | State::Over { .. } => Counted::Failed,
        }
    }

    fn note_times(&mut self, took: Took) {
        self.active.note(took.active);
        self.candidate.note(took.candidate);
    }

    fn count_answers(&mut self, answers: &Answers, shown: Shown<'_>) -> Counted {
        let differences = &mut self.differences;
        let kind = match answers {
            Answers::Decisions { active, candidate } => {
                differences.count_answers(shown.statement, shown.role, active, candidate)
            }
            Answers::Findings(only_one_has) => differences.count_findings(only_one_has.iter().cloned()),
            Answers::Values { count, different } => differences.count_values(*count, *different),
        };
        if kind.is_some() { Counted::Different } else { Counted::Same }
    }

    /// All but the latency.
    fn told(&self, plugin: &PluginId, now: Instant) -> DifferenceReport {
        let (state, until) = match self.state {
            State::Running => (ShadowState::Running, now),
            State::GivenUp => (ShadowState::GivenUp, now),
            State::Over { since } => (ShadowState::Over, since),
        };
        DifferenceReport {
            plugin: plugin.to_string(),
            world: self.world.as_str().to_owned(),
            active: self.active.told(),
            candidate: self.candidate.told(),
            state,
            age_s: until.saturating_duration_since(self.begun).as_secs(),
            differences: self.differences.clone(),
            active_failures: self.active_failures,
            dropped: self.missed.dropped(),
            cut: self.missed.cut(),
            faults: self.faults,
        }
    }
}

impl Side {
    fn of(plugin: &Plugin) -> Self {
        let record = plugin.record();
        let (digest, settings) = (record.digest.clone(), record.settings.clone());
        Self { digest, settings, times_us: VecDeque::new() }
    }

    fn is(&self, plugin: &Plugin) -> bool {
        let record = plugin.record();
        self.digest == record.digest && self.settings == record.settings
    }

    fn note(&mut self, took: Duration) {
        if self.times_us.len() == TIMES_KEPT_MAX {
            self.times_us.pop_front();
        }
        self.times_us.push_back(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn times(&self) -> Vec<u64> {
        self.times_us.iter().copied().collect()
    }

    fn told(&self) -> Observed {
        Observed { digest: self.digest.clone(), settings: self.settings.clone(), latency: None }
    }
}
