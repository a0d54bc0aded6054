//! What an instance has used: for whoever measures plugins.

/// What an instance has used since it was made, instantiation included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// WebAssembly instructions executed, as Wasmtime's fuel counts them: most count 1; `nop`, `drop`, `block` and `loop` nothing.
    /// Equal for equal work on every machine. None on an engine that does not count ([`Engine::metered`](crate::Engine::metered)).
    pub instructions: Option<u64>,
    /// Bytes of linear memory, all its memories together. Memory never shrinks, so it is the most at once.
    pub memory_bytes: usize,
}
