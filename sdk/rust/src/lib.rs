//! Write [Grille](https://github.com/grille-proxy/grille) plugins in Rust.
//!
//! A plugin is a type with one of three traits and a line that names it:
//!
//! | trait | macro | what it does |
//! |---|---|---|
//! | [`Detector`] | [`detector!`] | finds sensitive data in cells |
//! | [`Masker`] | [`masker!`] | makes new values for cells |
//! | [`Policy`] | [`policy!`] | judges statements before they run |
//!
//! The traits and their types know nothing of WebAssembly, so a plugin's tests are ordinary native ones; the module
//! `testing` (with the feature of that name) helps. Only the macros, and only for `wasm32`, tie a type to the interface in
//! `wit/v0.1/grille.wit`.
//!
//! Whatever goes wrong in a plugin, a panic included, the host fails closed: a statement is denied, a field is treated as
//! sensitive, a value is replaced.

mod block;
pub mod clock;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
mod detector;
pub mod egress;
mod exchange;
mod failure;
pub mod keyed;
pub mod log;
mod masker;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod policy;
mod settings;
pub mod state;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;

pub use block::{Block, Cell};
pub use detector::{Detector, DetectorSession, Finding, Findings, Label, SCORE_MAX, Support};
pub use exchange::{Attribute, Exchange, Field};
pub use failure::{Diagnostic, Failure};
pub use masker::{Edits, Masker, MaskerSession};
pub use policy::{Action, Approval, Decision, Object, Policy, Verdict};
pub use settings::configure_json;

/// The README's example is compiled by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// For the macros: a type without the trait is an error in native builds too.
#[doc(hidden)]
pub mod implements {
    /// Compiles for detectors.
    pub const fn detector<T: crate::Detector>() {}
    /// Compiles for maskers.
    pub const fn masker<T: crate::Masker>() {}
    /// Compiles for policies.
    pub const fn policy<T: crate::Policy>() {}
}

/// Makes the crate a detector component: `grille_sdk::detector!(MyType);`, once, at the crate's root.
#[macro_export]
macro_rules! detector {
    ($plugin:ty) => {
        const _: () = $crate::implements::detector::<$plugin>();
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::component::detector::Component<$plugin>;
            $crate::component::detector::export!(Component with_types_in $crate::component::detector::bindings);
        };
    };
}

/// Makes the crate a masker component: `grille_sdk::masker!(MyType);`, once, at the crate's root.
#[macro_export]
macro_rules! masker {
    ($plugin:ty) => {
        const _: () = $crate::implements::masker::<$plugin>();
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::component::masker::Component<$plugin>;
    $crate::component::masker::export!(Component with_types_in $crate::component::masker::bindings);
        };
    };
}

/// Makes the crate a policy component: `grille_sdk::policy!(MyType);`, once, at the crate's root.
#[macro_export]
macro_rules! policy {
    ($plugin:ty) => {
        const _: () = $crate::implements::policy::<$plugin>();
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::component::policy::Component<$plugin>;
    $crate::component::policy::export!(Component with_types_in $crate::component::policy::bindings);
        };
    };
}
