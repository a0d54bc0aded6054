//! `grille plugin bench`: what a plugin costs. Times are measured from outside, as the data plane pays them, and are medians;
//! instructions and memory are counted, in an engine that does that and nothing else, and are the same on every machine.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grille_core::untrusted::CellBlock;
use grille_plugin::{
    ActionWords, Detector, FieldInfo, Masker, ObjectWords, Plugin, PluginFailure, Usage, World,
};
use serde::Serialize;

use super::Report;
use super::runtime::{Asker, Runtime, exchange, settings};
use super::table::Table;
use super::text::{grouped, time};
use crate::cli::plugin as cli;
use crate::failure::Failure;

/// Cells in the block that is measured, and what is in each: 20 bytes, as in a column of names and numbers.
const CELLS: u32 = 1000;
const CELL: &str = "order 4711-22, paid.";

const INSTANCE: &str = "a fresh instance";
const DECISION: &str = "a decision, fresh instance";
const FIRST: &str = "first answer, fresh instance";
const BLOCK: &str = "1,000 cells of 20 bytes";
const A_CELL: &str = "a cell";

#[derive(Serialize)]
struct Figures {
    file: PathBuf,
    runs: u32,
    /// Each figure, in nanoseconds, by what it is of.
    nanoseconds: Vec<Figure>,
    /// Each count, by what it is of.
    instructions: Vec<Count>,
    /// The most linear memory of an instance, in bytes: what it works within.
    memory_bytes: usize,
}

#[derive(Serialize)]
struct Figure {
    of: &'static str,
    median: u64,
}

#[derive(Serialize)]
struct Count {
    of: &'static str,
    count: u64,
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
    let counted = Runtime::metered()?.load(&command.subject)?.configure(&settings)?;
    let (instructions, memory_bytes) = count(&counted).map_err(anyhow::Error::from)?;
    let figures = Figures { file: subject.file, runs: command.runs, nanoseconds, instructions, memory_bytes };
    Report::good(&figures, command.output)
}

fn measure(plugin: &Arc<Plugin>, runs: u32) -> Result<Vec<Figure>, PluginFailure> {
    let (context, fields) = (exchange(Asker::default()), fields(plugin));
    let begin = || timed(|| plugin.begin_counted(&context, &fields).map(drop));
    let instance = figure(INSTANCE, median(runs, begin)?);
    match plugin.world() {
        World::Policy => {
            let decide = || timed(|| plugin.decide_words(&context, &statement()).map(drop));
            Ok(vec![instance, figure(DECISION, median(runs, decide)?)])
        }
        World::Detector | World::Masker => {
            let first = || timed(|| Worker::begin(plugin)?.work(&mut block(1)));
            let mut worker = Worker::begin(plugin)?;
            let mut cells = block(CELLS);
            let block_of_cells = median(runs, || timed(|| worker.work(&mut cells)))?;
            let first = figure(FIRST, median(runs, first)?);
            Ok(vec![instance, first, figure(BLOCK, block_of_cells), figure(A_CELL, block_of_cells / CELLS)])
        }
    }
}

/// The instructions of the same work, and the memory it took. Once is enough: equal work takes equally many.
fn count(plugin: &Arc<Plugin>) -> Result<(Vec<Count>, usize), PluginFailure> {
    let (context, fields) = (exchange(Asker::default()), fields(plugin));
    let begun = plugin.begin_counted(&context, &fields)?;
    let mut counts = vec![counted(INSTANCE, begun)];
    let last = match plugin.world() {
        World::Policy => {
            let decided = plugin.decide_counted(&context, &statement())?;
            counts.push(counted(DECISION, decided));
            decided
        }
        World::Detector | World::Masker => {
            let mut worker = Worker::begin(plugin)?;
            worker.work(&mut block(1))?;
            let first = worker.usage()?;
            worker.work(&mut block(CELLS))?;
            let last = worker.usage()?;
            let of_block = counted(BLOCK, last).count.saturating_sub(counted(BLOCK, first).count);
            counts.push(counted(FIRST, first));
            counts.push(Count { of: BLOCK, count: of_block });
            counts.push(Count { of: A_CELL, count: of_block / u64::from(CELLS) });
            last
        }
    };
    Ok((counts, last.memory_bytes.max(begun.memory_bytes)))
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

    fn usage(&self) -> Result<Usage, PluginFailure> {
        match self {
            Self::Detector(detector) => detector.usage(),
            Self::Masker(masker) => masker.usage(),
        }
    }
}

/// What an exchange has to tell it of: a policy sees no columns.
fn fields(plugin: &Plugin) -> Vec<FieldInfo> {
    match plugin.world() {
        World::Policy => vec![],
        World::Detector | World::Masker => vec![FieldInfo::default()],
    }
}

fn block(cells: u32) -> CellBlock {
    CellBlock::of_column(0, std::iter::repeat_n(CELL, cells as usize)).unwrap_or_default()
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

/// An engine that does not count tells none: its caller's mistake, which shows as 0.
fn counted(of: &'static str, used: Usage) -> Count {
    Count { of, count: used.instructions.unwrap_or_default() }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["what", "median", "instructions"]);
        for Figure { of, median } in &self.nanoseconds {
            let count = self.instructions.iter().find(|count| count.of == *of);
            let count =
                count.map(|Count { count, .. }| grouped(usize::try_from(*count).unwrap_or(usize::MAX)));
            table.push([(*of).to_owned(), time(Duration::from_nanos(*median)), count.unwrap_or_default()]);
        }
        write!(f, "{table}")?;
        writeln!(f, "\nan instance has at most {} KiB of memory", grouped(self.memory_bytes >> 10))
    }
}
