//! Every limit put on a plugin, with its reason. What an operator may change is in [`Limits`]; the rest is constant.

use std::time::Duration;

/// What a plugin may use. The defaults suit detectors and policies in compiled languages with room to spare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time one call of a plugin may take, wall clock, rounded up to 5 ms. A policy answers in microseconds and
    /// a detector reads the largest text of 1 MiB in some 20 ms; a quarter of a second leaves room for
    /// interpreted languages and a busy machine, and is still short enough that a plugin that never answers is
    /// noticed by nobody but its own statement.
    pub deadline: Duration,
    /// Most bytes of linear memory of one instance, all its memories together. A Rust detector needs 1 to 2 MiB, a Python
    /// policy about 20 MiB.
    pub memory_bytes: usize,
    /// Most elements of one table. Tables hold function references: a Go program has some thousands.
    pub table_elements: usize,
    /// Most instances alive at once, over all plugins and exchanges. Each may have three memories, for each of
    /// which 4 GiB of address space (not of memory) are reserved, so that bounds checks cost nothing: 1,000 of them
    /// take 12 TiB of the 128 TiB there are.
    pub instances: u32,
    /// Most findings one call may return. A block has at most 1 MiB, and the shortest thing worth
    /// finding has some ten bytes.
    pub findings: usize,
    /// Most bytes of new values one call of a masker may return. A masked value is about as long as the value.
    pub edits_bytes: usize,
    /// Most bytes of a reason, a message or a name that is shown to somebody; longer ones are cut. One sentence, as it is
    /// promised to clients.
    pub reason_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(250),
            memory_bytes: 64 * MIB,
            table_elements: 20_000,
            instances: 1_000,
            findings: 100_000,
            edits_bytes: 4 * MIB,
            reason_bytes: 500,
        }
    }
}

impl Limits {
    /// Most bytes that one call may hand to the host, over all lists and strings: what Wasmtime calls host-call fuel. It
    /// bounds what lifting a result allocates, also when a list names the same bytes many times over.
    pub(crate) fn transfer_bytes(&self) -> usize {
        self.findings * FINDING_BYTES + self.edits_bytes + MIB
    }
}

const MIB: usize = 1024 * 1024;

/// A finding as WIT lays it out: six `u32`.
const FINDING_BYTES: usize = 6 * size_of::<u32>();

/// How often the clock that ends overlong calls ticks. Finer ticks only wake the machine more often.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Longest time the first `configure` of a plugin may take, when it is loaded. Nobody waits for it but the operator.
pub(crate) const CONFIGURE_DEADLINE: Duration = Duration::from_secs(2);

/// Largest component. A Python component with its interpreter has 18 MB.
pub(crate) const COMPONENT_BYTES_MAX: usize = 64 * MIB;

/// Largest compiled component: machine code takes a few times the space of WebAssembly.
pub(crate) const ARTEFACT_BYTES_MAX: usize = 512 * MIB;

/// Most memories and changeable globals that a snapshot is made of. Rust has two; a program linked from many libraries has
/// one for each address that is known only when it is linked.
pub(crate) const SNAPSHOT_VALUES_MAX: usize = 20_000;

/// Most bytes of memory that a snapshot is made of: more than any instance has by default.
pub(crate) const SNAPSHOT_BYTES_MAX: usize = 256 * MIB;

/// Largest memory that is kept as one image, gaps included; a larger one is copied piece by piece into each instance. As
/// large as an instance's memory by default: Python's has 20 to 40 MiB once it is configured.
pub(crate) const IMAGE_BYTES_MAX: u64 = 64 * MIB as u64;

/// Most bytes the compiler's process reads: a component, and the state it is to begin in.
pub(crate) const COMPILE_INPUT_BYTES_MAX: usize =
    COMPONENT_BYTES_MAX + SNAPSHOT_BYTES_MAX + SNAPSHOT_VALUES_MAX * 64 + 64;

/// Most bytes of compiled components that are kept on disk; what was used longest ago goes first. Room for some thousand
/// Rust plugins with their settings, or 40 in Python.
pub(crate) const CACHE_BYTES_MAX: u64 = 2 * 1024 * MIB as u64;

/// Largest `grille:metadata` section.
pub(crate) const METADATA_BYTES_MAX: usize = MIB;

/// Largest settings of a plugin, as JSON.
pub(crate) const SETTINGS_BYTES_MAX: usize = MIB;

/// Core instances in one component, one of them the host's own that reads the state after `configure`. Rust has some five,
/// Python with WASI stubbed 38.
pub(crate) const CORE_INSTANCES_MAX: u32 = 64;

/// Linear memories and tables in one component: its own, and one for an adapter; JavaScript's engine has a third.
pub(crate) const MEMORIES_MAX: u32 = 3;

/// See [`MEMORIES_MAX`].
pub(crate) const TABLES_MAX: u32 = 4;

/// Stack of WebAssembly code. It lives on the calling thread, whose own stack is 2 MiB in tokio.
pub(crate) const STACK_BYTES_MAX: usize = 512 * 1024;

/// Most bytes of text in one block of several cells given to a detector. Bounds the time of one call, and so how long its
/// thread is busy; a single cell may have [`TEXT_BYTES_MAX`].
pub(crate) const BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Most cells in one block.
pub(crate) const BLOCK_CELLS_MAX: usize = 8 * 1024;

/// Largest single text that is given to a detector. A longer one is not cut, for what lies across the cut would be
/// missed: the whole text counts as sensitive ([`crate::UNSCANNED`]).
pub(crate) const TEXT_BYTES_MAX: usize = MIB;

/// Most labels of one detector.
pub(crate) const LABELS_MAX: usize = 256;

/// Longest time the compiler's process may take, wall clock. The largest component we know takes 15 s on one core.
pub(crate) const COMPILE_TIME_MAX: Duration = Duration::from_secs(120);

/// How much the compiler's process gives way to others (nice(2)). Every changed setting is compiled, and what serves must not
/// wait for it: at 10, against one thread that is busy, it still gets a tenth of a processor.
pub(crate) const COMPILE_NICENESS: i32 = 10;

/// Processor time of the compiler's process, all its threads together, in seconds.
pub(crate) const COMPILE_CPU_SECONDS_MAX: u64 = 180;

/// Address space of the compiler's process. Includes a stack for each of its threads.
pub(crate) const COMPILE_ADDRESS_SPACE_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Most bytes of the compiler's error output that are kept.
pub(crate) const COMPILE_STDERR_BYTES_MAX: usize = 4 * 1024;

/// Longest message that a plugin may log, in bytes; the rest is cut.
pub(crate) const LOG_BYTES_MAX: usize = 1024;

/// Most messages one plugin may log in a second, over all its instances; the rest is dropped.
pub(crate) const LOG_MESSAGES_PER_SECOND: u32 = 50;

/// Most bytes that a plugin keeps under one role, keys and bookkeeping included. Room for a counter for each of some
/// thousand principals.
pub(crate) const STATE_BYTES_MAX: usize = MIB;

/// Most values and counters that a plugin keeps under one role.
pub(crate) const STATE_ENTRIES_MAX: usize = 5_000;

/// What one of them costs besides its key and its content, in bytes.
pub(crate) const STATE_ENTRY_BYTES: usize = 128;

/// Longest key of a value or counter, in bytes.
pub(crate) const STATE_KEY_BYTES_MAX: usize = 256;

/// Longest value that is kept, in bytes.
pub(crate) const STATE_VALUE_BYTES_MAX: usize = 16 * 1024;

/// Longest time for which a value is kept, and longest window of a counter.
pub(crate) const STATE_TIME_MAX: Duration = Duration::from_hours(24);

/// Most values transformed under a key in one call; that takes some 30 ms.
pub(crate) const KEYED_VALUES_MAX: usize = 65_536;

/// Longest domain of a keyed transform, in bytes.
pub(crate) const KEYED_DOMAIN_BYTES_MAX: usize = 256;

/// Longest time that one exchange waits for all requests of one plugin together. A statement waits as long, so a second or two
/// is all that a client should be asked for; it comes on top of the deadlines of the plugin's calls.
pub(crate) const EGRESS_TIME_MAX: Duration = Duration::from_secs(2);

/// Most requests of one plugin in one exchange.
pub(crate) const EGRESS_REQUESTS_MAX: u32 = 4;

/// Most requests of one plugin at once, over all exchanges: each keeps a thread.
pub(crate) const EGRESS_AT_ONCE_MAX: usize = 16;

/// Longest URL of a request, in bytes.
pub(crate) const EGRESS_URL_BYTES_MAX: usize = 2 * 1024;

/// Most headers of a request.
pub(crate) const EGRESS_HEADERS_MAX: usize = 16;

/// Most bytes of a request's headers, names and values together.
pub(crate) const EGRESS_HEADER_BYTES_MAX: usize = 8 * 1024;

/// Longest body of a request, in bytes.
pub(crate) const EGRESS_BODY_BYTES_MAX: usize = 64 * 1024;

/// Longest body of a reply, in bytes.
pub(crate) const EGRESS_REPLY_BYTES_MAX: usize = 256 * 1024;
