//! From a plugin's sources to a component: what `grille plugin new` and `grille plugin build` do, and `cargo xtask plugins`.
//!
//! A [`Project`] is a folder with `plugin.toml` (the [`Manifest`]). [`Project::build`] makes the plugin's own world out of the
//! capabilities it declares, hands the sources to the recipe of their language, and adds the metadata section. Tools are taken
//! from the machine, or kept with fixed versions in the [`Cache`]. The SDKs are embedded: no registry has them.
//!
//! Architecture invariant: no wasmtime and no crate of the host; nothing here runs or judges a component. What metadata may say
//! is for the host to decide.
#![forbid(unsafe_code)]

mod bindings;
mod cache;
mod component;
mod embedded;
mod error;
mod manifest;
mod metadata;
mod project;
mod recipe;
pub mod rust;
mod surface;
mod template;
mod tidy;
mod tool;
mod world;

pub use cache::Cache;
pub use component::{encode, with_metadata};
pub use embedded::write_sdk;
pub use error::BuildError;
pub use manifest::{Capability, Kind, Language, Manifest};
pub use metadata::METADATA_SECTION;
pub use project::{Built, Project, write_if_changed};
pub use template::{NewPlugin, create};
