//! Swaps detector, policy, settings and role again and again while pgbench's clients read through Grille, and looks at every
//! byte that they are sent: `swap-storm [--swaps N] [--latency judged|told]`.
//!
//! Every text that is protected holds a marker, which a tap between the clients and Grille looks for; a run of clients that may
//! read everything shows that it would be seen. Latencies are those of pgbench's own logs, in phases with swaps and without that
//! take turns, so that what else the machine does is in both. `GRILLE_BINARY` names the binary, which should be a release build
//! where latencies are judged; `cargo xtask swap-storm` sees to that. The last line is
//! `swap: N swaps, F failed, U unmasked, p99 ratio X, memory ratio Y`; exit code 1 unless all of it is as it should be.
#![forbid(unsafe_code)]

mod latency;
mod load;
mod plan;
mod probe;
mod report;
mod stage;
mod swap;
mod tap;

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use grille_harness::{Endpoint, usage, wait};

use latency::{Latencies, Phase, Window};
use load::{Load, Outcome, Pace};
use plan::Plan;
use report::{MEMORY_RATIO_MAX, Report};
use stage::{Group, Settings, Stage};
use swap::Swapper;
use tap::Tap;

/// Phases without swaps, each before one with them.
const PAIRS: u32 = 5;

/// Swaps before anything is measured: code is compiled, and allocators, of which each thread has its own, have taken what they
/// need for a swap.
const WARM_UP: u32 = 64;

/// How long clients go flat out, to learn what this machine can do.
const CALIBRATION: Duration = Duration::from_secs(6);

/// The part of that which they then do a second: a machine that has nothing left has no latencies to compare.
const RATE_PERCENT: u64 = 50;

/// Most transactions a second. More would fill the disk with audit records and tell nothing more.
const RATE_MAX: u64 = 800;

/// Sessions that stay when the clients have gone: those of the probe.
const SESSIONS_LEFT: f64 = 2.0;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = Plan::parse(&arguments)?;
    let report = Storm::set()?.run(&plan)?;
    print!("{report}");
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The stage, and how the load's clients reach it.
struct Storm {
    stage: Stage,
    tap: Tap,
    clients: Endpoint,
    settings: Settings,
}

/// What Grille holds when nothing is asked of it.
struct Rest {
    memory: u64,
    generations: f64,
}

impl Storm {
    fn set() -> anyhow::Result<Self> {
        let settings = Settings { hint: 0, row_cap: 500 };
        let stage = Stage::set(&settings)?;
        let tap = Tap::start(stage.grille.plaintext_port(), &stage.marker)?;
        let clients = Endpoint { port: tap.port(), ..stage.endpoint(Group::Masked)? };
        Ok(Self { stage, tap, clients, settings })
    }

    fn run(&self, plan: &Plan) -> anyhow::Result<Report> {
        self.tap_sees_leaks()?;
        let rate = self.calibrate()?;
        let mut swapper = Swapper::new(&self.stage, self.settings.clone())?;
        let warm_up = self.load("warm-up", Pace::PerSecond(rate))?;
        let began = Instant::now();
        swapper.swap(WARM_UP);
        let warmed_up = swapper.made();
        let swap_time = began.elapsed() / WARM_UP;
        let mut failures = warm_up.stop()?.failures;
        let before = self.rest(None)?;

        let mut load = self.load("storm", Pace::PerSecond(rate))?;
        let windows = take_turns(&mut load, &mut swapper, plan, swap_time)?;
        let outcome = load.stop()?;
        let latencies = latencies(&outcome, &windows)?;
        let after = self.rest(Some(before.memory))?;
        swapper.probe_wakes();
        failures.append(&mut swapper.failures);
        failures.extend(outcome.failures);
        Ok(Report {
            latency: plan.latency,
            swaps: swapper.made() - warmed_up,
            rate,
            transactions: outcome.transactions,
            passed: self.tap.passed(),
            failures,
            latencies,
            swap_times: swapper.times(),
            memory: [before.memory, after.memory],
            generations: [before.generations, after.generations],
        })
    }

    fn load(&self, name: &str, pace: Pace) -> anyhow::Result<Load> {
        Load::start(&self.clients, self.stage.scratch.path(), name, pace)
    }

    /// Clients that may read everything, through a tap of their own: it must see the marker in every row.
    fn tap_sees_leaks(&self) -> anyhow::Result<()> {
        let tap = Tap::start(self.stage.grille.plaintext_port(), &self.stage.marker)?;
        let clients = Endpoint { port: tap.port(), ..self.stage.endpoint(Group::Open)? };
        let load = Load::start(&clients, self.stage.scratch.path(), "control", Pace::PerSecond(100))?;
        wait::until("rows of clients that may read everything", wait::PATIENCE, || {
            Ok((tap.passed().rows > 100).then_some(()))
        })?;
        let outcome = load.stop()?;
        ensure!(outcome.failures.is_empty(), "{}", outcome.failures.join("\n"));
        let passed = tap.passed();
        println!("control: {} rows without a mask, the marker seen {} times", passed.rows, passed.marked);
        ensure!(passed.marked >= passed.rows, "the tap does not see what it is there for");
        Ok(())
    }

    /// Transactions a second for the rest of the run.
    fn calibrate(&self) -> anyhow::Result<u32> {
        let mut load = self.load("calibration", Pace::FlatOut)?;
        let began = Instant::now();
        pause(&mut load, CALIBRATION)?;
        let outcome = load.stop()?;
        ensure!(outcome.failures.is_empty(), "{}", outcome.failures.join("\n"));
        let most = outcome.transactions * 1000 / u64::try_from(began.elapsed().as_millis())?.max(1);
        println!("calibration: {most} transactions a second, flat out");
        Ok(u32::try_from((most * RATE_PERCENT / 100).clamp(16, RATE_MAX))?)
    }

    /// Once the clients have gone and generations have come down to one; and, where there is something to compare with, once
    /// memory has come down too, if it does.
    fn rest(&self, before: Option<u64>) -> anyhow::Result<Rest> {
        let grille = &self.stage.grille;
        wait::until("the clients to go", wait::PATIENCE, || {
            Ok((grille.metric("grille_sessions")? <= SESSIONS_LEFT).then_some(()))
        })?;
        let mut rest = Rest { memory: u64::MAX, generations: 0.0 };
        // What does not come down is told, not an error here.
        let _ = wait::until("memory and generations to come down", wait::PATIENCE, || {
            rest.memory = rest.memory.min(usage::resident_bytes(grille.pid())?);
            rest.generations = grille.metric("grille_generations_alive")?;
            let memory_is_down =
                before.is_none_or(|before| rest.memory as f64 <= before as f64 * MEMORY_RATIO_MAX);
            Ok((memory_is_down && rest.generations <= 1.0).then_some(()))
        });
        Ok(rest)
    }
}

/// Without swaps and with them, in pairs, and without at the end.
fn take_turns(
    load: &mut Load,
    swapper: &mut Swapper<'_>,
    plan: &Plan,
    swap_time: Duration,
) -> anyhow::Result<Vec<Window>> {
    // As long as the phase with swaps will be, as far as can be foreseen, within what is worth waiting for.
    let quiet = (swap_time * plan.swaps / PAIRS).clamp(Duration::from_secs(2), Duration::from_secs(30));
    let mut windows = Vec::new();
    for pair in 0..PAIRS {
        windows.push(window(Phase::Before, || pause(load, quiet))?);
        let swaps = plan.swaps * (pair + 1) / PAIRS - plan.swaps * pair / PAIRS;
        windows.push(window(Phase::During, || {
            swapper.swap(swaps);
            Ok(())
        })?);
    }
    windows.push(window(Phase::After, || pause(load, quiet))?);
    Ok(windows)
}

fn window(phase: Phase, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Window> {
    let from = latency::now()?;
    work()?;
    Ok(Window { phase, from, to: latency::now()? })
}

/// Lets clients work for that long.
fn pause(load: &mut Load, time: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    wait::until("time to pass", time + wait::PATIENCE, || {
        load.check_alive()?;
        Ok((began.elapsed() >= time).then_some(()))
    })
}

fn latencies(outcome: &Outcome, windows: &[Window]) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::default();
    for log in &outcome.logs {
        latencies.add(&fs::read_to_string(log)?, windows)?;
    }
    Ok(latencies)
}
