//! Wasmtime's configuration as far as it decides about machine code: every proposal set, equal wherever code is compiled or
//! run.

use wasmparser::{Validator, WasmFeatures};
use wasmtime::{Config, OptLevel, Strategy};

use crate::limits;

/// Whether machine code counts the instructions it executes. What counts is slower, and code that does never runs in an engine
/// that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metering {
    /// As in the data plane, where the clock alone ends a call.
    Off,
    /// For measuring, and nothing else.
    Fuel,
}

/// An engine that compiles for the running one but runs nothing and reserves nothing.
pub(crate) fn compiling_engine(metering: Metering) -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&config(metering))
}

/// Holds a component against the proposals plugins may use.
pub(crate) fn validate(component: &[u8]) -> wasmparser::Result<()> {
    Validator::new_with_features(FEATURES).validate_all(component).map(drop)
}

/// The proposals plugins may use: what compilers emit by default today. All else, also what Wasmtime will add, is off: GC,
/// threads, memory64, exceptions, stack switching, everything async.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    // Components made of several, as JavaScript's are, copy strings between two memories.
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// What decides about machine code; equal in the compiler's process and here.
pub(crate) fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(FEATURES, true)
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // Equal inputs give equal outputs on every machine, so that a past decision can be recomputed.
        .cranelift_nan_canonicalization(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::Fuel)
        .max_wasm_stack(limits::STACK_BYTES_MAX)
        .memory_init_cow(true)
        // A memory that begins as an image is mapped, not copied: also one that an interpreter has filled.
        .memory_guaranteed_dense_image_size(limits::IMAGE_BYTES_MAX)
        // Nothing of a guest's frames is shown to anybody.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    config
}
