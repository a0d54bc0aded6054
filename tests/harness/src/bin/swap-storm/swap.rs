//! One swap after the other, each waited for by its effect: a generation, and what a session that was there before then hears.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use grille_harness::{component, wait, workspace};

use crate::probe::Probe;
use crate::stage::{Settings, Slot, Stage};

/// Longest time until a swap shows: a look at the files, a compilation, and a busy machine. What takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run that goes wrong again and again is not continued.
const FAILURES_MAX: usize = 5;

/// What is swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// A component, by putting another in the place of its file.
    Dropped(Kind),
    /// A component, by command.
    Activated(Kind),
    /// The policy's settings, by replacing the configuration.
    Settings,
    /// The role, by replacing the configuration and SIGHUP.
    Role,
}

/// Which component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Detector,
    Policy,
}

/// In turn.
const CHANGES: [Change; 8] = [
    Change::Dropped(Kind::Detector),
    Change::Activated(Kind::Policy),
    Change::Settings,
    Change::Role,
    Change::Activated(Kind::Detector),
    Change::Dropped(Kind::Policy),
    Change::Settings,
    Change::Role,
];

/// How a swap shows.
enum Effect {
    /// Status says that this component is active in this slot.
    Active(Slot, String),
    /// A session hears of the settings.
    Heard,
}

impl Kind {
    fn slot(self) -> Slot {
        match self {
            Self::Detector => Slot::Detector,
            Self::Policy => Slot::Policy,
        }
    }
}

impl Change {
    fn told(self) -> &'static str {
        match self {
            Self::Dropped(Kind::Detector) => "detector, by file",
            Self::Dropped(Kind::Policy) => "policy, by file",
            Self::Activated(Kind::Detector) => "detector, by command",
            Self::Activated(Kind::Policy) => "policy, by command",
            Self::Settings => "settings of the policy",
            Self::Role => "row cap of the role",
        }
    }
}

/// Makes swaps.
pub(crate) struct Swapper<'s> {
    stage: &'s Stage,
    probe: Probe,
    settings: Settings,
    detector: Revisions,
    policy: Revisions,
    turn: usize,
    /// What went wrong, each in a line.
    pub(crate) failures: Vec<String>,
    took: BTreeMap<&'static str, Vec<Duration>>,
}

/// A component's: two that take turns in its file, and two that are activated by command. None is ever put where it is already.
struct Revisions {
    files: [PathBuf; 4],
    dropped: usize,
    activated: usize,
}

impl<'s> Swapper<'s> {
    pub(crate) fn new(stage: &'s Stage, settings: Settings) -> anyhow::Result<Self> {
        Ok(Self {
            stage,
            probe: Probe::connect(stage)?,
            settings,
            detector: Revisions::of(Slot::Detector, stage)?,
            policy: Revisions::of(Slot::Policy, stage)?,
            turn: 0,
            failures: Vec::new(),
            took: BTreeMap::new(),
        })
    }

    /// Makes the next swaps, unless so many have failed that there is no point in going on.
    pub(crate) fn swap(&mut self, count: u32) {
        for _ in 0..count {
            if self.failures.len() >= FAILURES_MAX {
                return;
            }
            let change = CHANGES[self.turn % CHANGES.len()];
            self.turn += 1;
            let began = Instant::now();
            match self.make(change) {
                Ok(()) => self.took.entry(change.told()).or_default().push(began.elapsed()),
                Err(error) => self.failures.push(format!("swap {}, {}: {error:#}", self.turn, change.told())),
            }
        }
    }

    /// How many it has made so far, those that failed among them.
    pub(crate) fn made(&self) -> usize {
        self.turn
    }

    /// The session that has done nothing all along is judged too when it does something.
    pub(crate) fn probe_wakes(&mut self) {
        if let Err(error) = self.probe.wake() {
            self.failures.push(format!("{error:#}"));
        }
    }

    /// How long swaps took until they showed, by what was swapped.
    pub(crate) fn times(&mut self) -> Vec<String> {
        let line = |(what, times): (&&str, &mut Vec<Duration>)| {
            times.sort_unstable();
            let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
            format!(
                "{what}: {} times, median {} ms, at most {} ms",
                times.len(),
                median.as_millis(),
                longest.as_millis()
            )
        };
        self.took.iter_mut().map(line).collect()
    }

    fn make(&mut self, change: Change) -> anyhow::Result<()> {
        let before = self.generation()?;
        let effect = self.ask_for(change)?;
        wait::until("the swap to show", PATIENCE, || {
            Ok((self.generation()? > before && self.shows(&effect)?).then_some(()))
        })?;
        self.probe.check_mask(&self.stage.marker)
    }

    fn ask_for(&mut self, change: Change) -> anyhow::Result<Effect> {
        Ok(match change {
            Change::Dropped(kind) => {
                let next = self.revisions(kind).next_dropped();
                let file = kind.slot().file(self.stage.scratch.path());
                let beside = file.with_extension("next");
                fs::copy(&next, &beside)?;
                fs::rename(beside, file)?;
                Effect::Active(kind.slot(), component::digest(&fs::read(next)?))
            }
            Change::Activated(kind) => {
                let next = self.revisions(kind).next_activated();
                let file = next.display().to_string();
                let activate = ["plugin", "activate", kind.slot().name(), &file];
                self.stage.grille.command(&activate)?.ok().context("activate")?;
                Effect::Active(kind.slot(), component::digest(&fs::read(next)?))
            }
            Change::Settings => {
                self.settings.hint += 1;
                self.stage.grille.replace_policy(&self.stage.policy(&self.settings))?;
                Effect::Heard
            }
            Change::Role => {
                self.settings.row_cap += 1;
                self.stage.grille.rewrite_policy(&self.stage.policy(&self.settings))?;
                Effect::Heard
            }
        })
    }

    /// Whether it is in force. A generation alone does not tell: SIGHUP may have made one more.
    fn shows(&self, effect: &Effect) -> anyhow::Result<bool> {
        match effect {
            Effect::Active(slot, digest) => {
                let plugins = self.stage.grille.plugins()?;
                let plugin = plugins.get(slot.name()).context("no such plugin")?;
                Ok(plugin["active"]["digest"] == *digest)
            }
            Effect::Heard => self.probe.hears(&self.settings),
        }
    }

    fn revisions(&mut self, kind: Kind) -> &mut Revisions {
        match kind {
            Kind::Detector => &mut self.detector,
            Kind::Policy => &mut self.policy,
        }
    }

    fn generation(&self) -> anyhow::Result<f64> {
        self.stage.grille.metric("grille_generation")
    }
}

impl Revisions {
    /// The first is what is in the file from the beginning.
    fn of(slot: Slot, stage: &Stage) -> anyhow::Result<Self> {
        let built = fs::read(workspace::plugin(slot.component())?)?;
        let mut files = [const { PathBuf::new() }; 4];
        for (number, file) in files.iter_mut().enumerate() {
            *file = stage.scratch.path().join(format!("{}-{number}.wasm", slot.name()));
            let revision = match number {
                0 => built.clone(),
                number => component::with_version(&built, &format!("0.1.{number}"))?,
            };
            fs::write(file, revision)?;
        }
        Ok(Self { files, dropped: 0, activated: 0 })
    }

    fn next_dropped(&mut self) -> PathBuf {
        self.dropped += 1;
        self.files[self.dropped % 2].clone()
    }

    fn next_activated(&mut self) -> PathBuf {
        self.activated += 1;
        self.files[2 + self.activated % 2].clone()
    }
}
