//! Wasmtime's engine as we want it: memory pooled, calls interruptible, compiled code kept.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::component::Component as Compiled;
use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::cache::{Cache, CacheError};
use crate::call_tally::Tallies;
use crate::capability::{Services, StateStore};
use crate::compiler::{CompileError, Compiler, Request, artefact_parts};
use crate::failure::host_text;
use crate::limits::{self, Limits, TICK};
use crate::wasm_config::{Metering, config};

/// What an engine is told.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Where compiled components are kept: made if it is missing, refused if others may enter it.
    pub cache_directory: PathBuf,
    /// How components are compiled.
    pub compiler: Compiler,
    /// What plugins may use.
    pub limits: Limits,
}

/// The engine cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its directory cannot be used: the operator's fault.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Wasmtime cannot do what we ask of it on this machine; most often address space is limited (`ulimit -v`).
    #[error("the WebAssembly engine cannot be started: {0}")]
    Wasmtime(String),
    /// The thread that ends overlong calls cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A component that can be linked and run.
pub(crate) struct Prepared {
    pub(crate) compiled: Compiled,
    /// Why no snapshot of it can be made; the component's own property.
    pub(crate) no_snapshot: Option<String>,
}

/// Compiles and runs plugins. One for a process; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    services: Services,
}

struct Shared {
    wasmtime: wasmtime::Engine,
    metering: Metering,
    limits: Limits,
    cache: Cache,
    compiler: Compiler,
    states: StateStore,
    tallies: Tallies,
    /// As long as an engine lives, its deadlines must pass: whatever runs plugins holds the engine.
    _ticker: Ticker,
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// When the cache directory is not private or the machine lacks what the engine needs.
    pub fn new(settings: EngineSettings) -> Result<Self, EngineError> {
        Self::with(settings, Metering::Off)
    }

    /// Starts an engine that counts the instructions plugins execute ([`Usage`](crate::Usage)). Its machine code is its own, and
    /// slower: for measuring, never for serving.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn metered(settings: EngineSettings) -> Result<Self, EngineError> {
        Self::with(settings, Metering::Fuel)
    }

    fn with(settings: EngineSettings, metering: Metering) -> Result<Self, EngineError> {
        let EngineSettings { cache_directory, compiler, limits } = settings;
        let mut config = config(metering);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(&limits)));
        let wasmtime =
            wasmtime::Engine::new(&config).map_err(|error| EngineError::Wasmtime(host_text(&error)))?;
        let cache = Cache::open(&cache_directory, compatibility(&wasmtime))?;
        let ticker = Ticker::start(&wasmtime)?;
        let (states, tallies) = (StateStore::default(), Tallies::default());
        let shared = Shared { wasmtime, metering, limits, cache, compiler, states, tallies, _ticker: ticker };
        Ok(Self { shared: Arc::new(shared), services: Services::default() })
    }

    /// The same engine, for plugins that may be granted what needs these services.
    #[must_use]
    pub fn with_services(self, services: Services) -> Self {
        Self { services, ..self }
    }

    /// What plugins may use.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn states(&self) -> &StateStore {
        &self.shared.states
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.shared.tallies
    }

    pub(crate) fn metering(&self) -> Metering {
        self.shared.metering
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.wasmtime
    }

    /// What was compiled under that name before, where it is still there and whole.
    pub(crate) fn cached(&self, key: &str) -> Option<Prepared> {
        self.prepared(&self.shared.cache.load(key)?).ok()
    }

    /// Compiles, and keeps the machine code under a name that says all it depends on, but for the engine.
    pub(crate) fn compile_as(&self, key: &str, request: &Request<'_>) -> Result<Prepared, CompileError> {
        let Shared { wasmtime, metering, compiler, .. } = &*self.shared;
        let artefact = compiler.compile(wasmtime, *metering, request)?;
        let prepared = self.prepared(&artefact)?;
        if let Err(error) = self.shared.cache.store(key, &artefact) {
            tracing::warn!(%error, "a compiled plugin could not be kept and will be compiled again next time");
        }
        Ok(prepared)
    }

    fn prepared(&self, artefact: &[u8]) -> Result<Prepared, CompileError> {
        let (no_snapshot, code) = artefact_parts(artefact).ok_or(CompileError::Unusable)?;
        let compiled = self.adopt(code).map_err(|error| CompileError::Unsuitable(host_text(&error)))?;
        Ok(Prepared { compiled, no_snapshot: (!no_snapshot.is_empty()).then_some(no_snapshot) })
    }

    /// Makes machine code runnable.
    #[expect(
        unsafe_code,
        reason = "Wasmtime cannot check machine code; where it came from is checked instead"
    )]
    fn adopt(&self, code: &[u8]) -> wasmtime::Result<Compiled> {
        // SAFETY: `code` is the output of this engine's own compiler, taken from its standard output or out of memory a
        // moment ago, or from a cache file whose owner, mode and digest were checked (crate::cache). Components from
        // outside only ever reach the compiler's input, and no other caller exists.
        unsafe { Compiled::deserialize(&self.shared.wasmtime, code) }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

/// How much of a table's slot is overwritten, where the rest is given back. A Rust guest's table takes less than 4 KiB.
const TABLE_BYTES_KEPT: usize = 16 * 1024;

/// Memory for instances, reserved once. A slot is made zero before it is used again.
fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let instances = limits.instances;
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(limits::CORE_INSTANCES_MAX))
        .total_memories(instances.saturating_mul(limits::MEMORIES_MAX))
        .total_tables(instances.saturating_mul(limits::TABLES_MAX))
        .max_core_instances_per_component(limits::CORE_INSTANCES_MAX)
        .max_memories_per_component(limits::MEMORIES_MAX)
        .max_tables_per_component(limits::TABLES_MAX)
        .max_memory_size(limits.memory_bytes)
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(0)
        // Most tables are one page: to write it is quicker than to give it back to the system and take it again.
        .table_keep_resident(TABLE_BYTES_KEPT)
        // On Wasmtime 48 it can leave what one instance wrote to the next.
        .pagemap_scan(Enabled::No);
    pool
}

/// Different for engines that cannot run each other's machine code; Wasmtime's version and ours are part of it. Wasmtime checks
/// again when code is loaded, so a collision costs a compilation and nothing else.
fn compatibility(engine: &wasmtime::Engine) -> String {
    let mut hasher = DefaultHasher::new();
    PREPARATION.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Counts the ways in which components were made ready for the compiler: now, so that their state can be read.
const PREPARATION: u32 = 2;

/// How many ticks make up a time: one more than fit, because the first may come at once.
pub(crate) fn ticks(time: Duration) -> u64 {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1)
}

/// Advances the engine's epoch, which is what ends calls at their deadline.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let engine = engine.clone();
        let thread = thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                thread::park_timeout(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been reported by its own hook.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm_config::compiling_engine;

    #[test]
    fn ticks_are_never_fewer_than_the_time() {
        let check = |millis, expected| assert_eq!(ticks(Duration::from_millis(millis)), expected, "{millis}");
        check(0, 1);
        check(1, 2);
        check(5, 2);
        check(6, 3);
        check(250, 51);
        assert_eq!(ticks(Duration::MAX), u64::MAX);
    }

    #[test]
    fn the_compiling_engine_compiles_for_the_running_one() {
        let mut pooled = config(Metering::Off);
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(&Limits {
            instances: 2,
            ..Limits::default()
        })));
        let running = wasmtime::Engine::new(&pooled).expect("it starts");
        let compiling = compiling_engine(Metering::Off).expect("it starts");
        assert_eq!(compatibility(&running), compatibility(&compiling));
        let counting = compiling_engine(Metering::Fuel).expect("it starts");
        assert_ne!(compatibility(&running), compatibility(&counting), "code that counts is kept apart");
    }

    #[test]
    fn the_default_limits_fit_a_machine() {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = EngineSettings {
            cache_directory: directory.path().join("cache"),
            compiler: Compiler::InProcess,
            limits: Limits::default(),
        };
        Engine::new(settings).expect("the address space is there");
    }
}
