//! What Grille holds when nothing is asked of it, and whether that has become more.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use grille_harness::{usage, wait, workspace};

use crate::stage::Stage;

/// How much more memory there may be after the storm than before.
pub(crate) const MEMORY_RATIO_MAX: f64 = 1.2;

/// What a gateway may keep of components that are in no slot any more, and some (`store::revisions`).
const STORED_FILES_MAX: usize = 64;

/// How many more descriptors may be open by chance: a look at the files, a metric being read.
const DESCRIPTORS_MORE_MAX: usize = 4;

const MIB: f64 = (1 << 20) as f64;

/// What is held.
pub(crate) struct Held {
    memory: u64,
    descriptors: usize,
    children: usize,
    generations: f64,
    /// Files of the state directory.
    stored: usize,
    /// Files of the cache of machine code.
    cached: usize,
}

impl Held {
    /// Once compilers have ended and old generations have gone; and, where there is something to compare with, once memory has
    /// come down too, if it does.
    pub(crate) fn at_rest(stage: &Stage, before: Option<&Self>) -> anyhow::Result<Self> {
        let mut held = Self::now(stage)?;
        // What does not come down is told, not an error here.
        let _ = wait::until("Grille to come to rest", wait::PATIENCE, || {
            let now = Self::now(stage)?;
            let memory = held.memory.min(now.memory);
            held = Self { memory, ..now };
            let memory_is_down = before.is_none_or(|before| held.memory_ratio(before) <= MEMORY_RATIO_MAX);
            Ok((held.children == 0 && held.generations <= 1.0 && memory_is_down).then_some(()))
        });
        Ok(held)
    }

    fn now(stage: &Stage) -> anyhow::Result<Self> {
        let pid = stage.grille.pid();
        Ok(Self {
            memory: usage::resident_bytes(pid)?,
            descriptors: usage::descriptors(pid)?,
            children: usage::children(pid)?,
            generations: stage.grille.metric("grille_generations_alive")?,
            stored: files(&stage.grille.folder().join("state"))?,
            cached: files(&cache())?,
        })
    }

    pub(crate) fn memory_ratio(&self, before: &Self) -> f64 {
        self.memory as f64 / before.memory as f64
    }

    /// What has become more than it may, memory aside.
    pub(crate) fn growth_since(&self, before: &Self) -> Vec<String> {
        let mut growth = Vec::new();
        let mut hold = |what: &str, now: usize, most: usize| {
            if now > most {
                growth.push(format!("{now} {what}, where {most} are the most"));
            }
        };
        hold("descriptors", self.descriptors, before.descriptors + DESCRIPTORS_MORE_MAX);
        hold("child processes", self.children, 0);
        hold("generations", self.generations as usize, 1);
        hold("files of state", self.stored, STORED_FILES_MAX);
        // All that compiles has been compiled when it is first looked; what is made for one reload alone never gets so far.
        hold("files of compiled code", self.cached, before.cached.max(1) * 2);
        growth
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, descriptors, children, generations, stored, cached } = self;
        let memory = *memory as f64 / MIB;
        write!(
            f,
            "{memory:.1} MiB, {descriptors} descriptors, {children} children, {generations} generations, \
             {stored} files of state, {cached} of compiled code"
        )
    }
}

/// What the harness has Grille use.
fn cache() -> PathBuf {
    workspace::target().join("harness/cache")
}

/// Files in a folder and below; none where there is no folder.
fn files(folder: &Path) -> anyhow::Result<usize> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(0) };
    let mut count = 0;
    for entry in entries {
        let path = entry?.path();
        count += if path.is_dir() { files(&path)? } else { 1 };
    }
    Ok(count)
}
