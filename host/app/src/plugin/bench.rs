//! `grille plugin bench`: what a plugin costs, measured from outside, as the data plane pays it. Each figure is a median.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_core::untrusted::CellBlock;
use grille_plugin::{
    ActionWords, Detector, FieldInfo, Limits, Masker, ObjectWords, Plugin, PluginFailure, World,
};
use serde::Serialize;
use serde_json::Value;

use super::Report;
use super::runtime::{Asker, Runtime, exchange, settings};
use super::table::Table;
use super::text::time;
use crate::cli::plugin as cli;
use crate::failure::Failure;

/// Cells in the block that is measured, and what is in each: 20 bytes, as in a column of names and numbers.
const CELLS: usize = 1000;
const CELL: &str = "order 4711-22, paid.";

/// Memory is found to this many bytes.
const MEMORY_STEP: usize = 256 << 10;

#[derive(Serialize)]
struct Figures {
    file: PathBuf,
    runs: u32,
    /// Each figure, in nanoseconds, by what it is of.
    nanoseconds: Vec<Figure>,
    /// The least memory it works within, in bytes.
    memory_bytes: usize,
}

#[derive(Serialize)]
struct Figure {
    of: &'static str,
    median: u64,
}

pub(super) fn bench(command: cli::Bench) -> Result<Report, Failure> {
    let settings = settings(&command.settings)?;
    let runtime = Runtime::start()?;
    // The first load may compile; the second finds machine code in the cache, as a start of Grille mostly does.
    runtime.load(&command.subject)?;
    let begun = Instant::now();
    let subject = runtime.load(&command.subject)?;
    let loaded = begun.elapsed();
    let begun = Instant::now();
    let plugin = subject.configure(&settings)?;
    let configured = begun.elapsed();
    let mut nanoseconds = vec![figure("load, compiled before", loaded), figure("configure", configured)];
    nanoseconds.extend(measure(&plugin, command.runs).map_err(anyhow::Error::from)?);
    let memory_bytes = memory(&command.subject, &settings)?;
    let figures = Figures { file: subject.file, runs: command.runs, nanoseconds, memory_bytes };
    Report::good(&figures, command.output)
}

fn measure(plugin: &Arc<Plugin>, runs: u32) -> Result<Vec<Figure>, PluginFailure> {
    let context = exchange(Asker::default());
    match plugin.world() {
        World::Policy => {
            let decide = || timed(|| plugin.decide_words(&context, &statement()).map(drop));
            Ok(vec![figure("a decision, fresh instance", median(runs, decide)?)])
        }
        World::Detector | World::Masker => {
            let begin = || timed(|| Worker::begin(plugin).map(drop));
            let first = || timed(|| Worker::begin(plugin)?.work(&mut block(1)));
            let mut worker = Worker::begin(plugin)?;
            let mut cells = block(CELLS);
            let block_of_cells = median(runs, || timed(|| worker.work(&mut cells)))?;
            let a_cell = block_of_cells / u32::try_from(CELLS).unwrap_or(u32::MAX);
            Ok(vec![
                figure("a fresh instance", median(runs, begin)?),
                figure("first answer, fresh instance", median(runs, first)?),
                figure("1,000 cells of 20 bytes", block_of_cells),
                figure("a cell", a_cell),
            ])
        }
    }
}

/// An instance at work.
enum Worker {
    Detector(Detector),
    Masker(Masker),
}

impl Worker {
    fn begin(plugin: &Arc<Plugin>) -> Result<Self, PluginFailure> {
        let (context, fields) = (exchange(Asker::default()), [FieldInfo::default()]);
        Ok(match plugin.world() {
            World::Masker => Self::Masker(Masker::begin(plugin, &context, &fields)?),
            World::Detector | World::Policy => Self::Detector(Detector::begin(plugin, &context, &fields)?),
        })
    }

    fn work(&mut self, block: &mut CellBlock) -> Result<(), PluginFailure> {
        match self {
            Self::Detector(detector) => detector.inspect(block).map(drop),
            Self::Masker(masker) => masker.mask(block).map(drop),
        }
    }
}

fn block(cells: usize) -> CellBlock {
    CellBlock::of_column(0, std::iter::repeat_n(CELL, cells)).unwrap_or_default()
}

fn statement() -> ActionWords {
    let object = ObjectWords { kind: "relation".into(), name: "public.orders".into(), access: "read".into() };
    ActionWords {
        kind: "select".into(),
        effects: vec!["read".into()],
        objects: vec![object],
        text: "SELECT id, total FROM public.orders WHERE id = $1".into(),
        fingerprint: 1,
        ..ActionWords::default()
    }
}

fn timed(work: impl FnOnce() -> Result<(), PluginFailure>) -> Result<Duration, PluginFailure> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed())
}

fn median(
    runs: u32,
    mut run: impl FnMut() -> Result<Duration, PluginFailure>,
) -> Result<Duration, PluginFailure> {
    // The first finds nothing in the processor's caches.
    run()?;
    let mut times = (0..runs).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn figure(of: &'static str, median: Duration) -> Figure {
    Figure { of, median: u64::try_from(median.as_nanos()).unwrap_or(u64::MAX) }
}

/// The least memory under which it configures and answers, by bisection: what an operator must allow.
fn memory(subject: &Path, settings: &Value) -> Result<usize, Failure> {
    let (mut too_little, mut enough) = (0, Limits::default().memory_bytes / MEMORY_STEP);
    while enough - too_little > 1 {
        let middle = usize::midpoint(too_little, enough);
        if works_within(subject, settings, middle * MEMORY_STEP)? {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    Ok(enough * MEMORY_STEP)
}

fn works_within(subject: &Path, settings: &Value, memory_bytes: usize) -> Result<bool, Failure> {
    let runtime = Runtime::with(Limits { memory_bytes, ..Limits::default() })?;
    // It was loaded before with more: what it needs to begin with does not fit.
    let Ok(subject) = runtime.load(subject) else { return Ok(false) };
    let Ok(plugin) = subject.try_configure(settings) else { return Ok(false) };
    Ok(measure(&plugin, 1).is_ok())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["what", "median"]);
        for Figure { of, median } in &self.nanoseconds {
            table.push([(*of).to_owned(), time(Duration::from_nanos(*median))]);
        }
        let kibibytes = self.memory_bytes >> 10;
        table.push(["works within".to_owned(), format!("{kibibytes} KiB of memory")]);
        write!(f, "{table}")
    }
}
