//! A detector that misbehaves as its settings say. `misconduct` is what it does, `component` ties it to the interface.

#[cfg(target_arch = "wasm32")]
mod component;
pub mod misconduct;
