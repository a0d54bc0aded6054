//! Roles and plugins that the demonstration and several tests share, as TOML. Tests that need others write their own.

use std::path::Path;

use crate::{Vendor, workspace};

/// The groups of the roles below, and of the identity provider's clients that are named after them.
pub const ANALYSTS: &str = "analysts";
/// See [`ANALYSTS`].
pub const ENGINEERS: &str = "engineers";

/// One plugin; `settings` is the inside of an inline table.
///
/// # Errors
/// When it is not built.
pub fn plugin(name: &str, component: &str, settings: &str) -> anyhow::Result<String> {
    Ok(plugin_at(name, &workspace::plugin(component)?, settings))
}

/// The same from a file that a test writes.
pub fn plugin_at(name: &str, file: &Path, settings: &str) -> String {
    format!(
        "[[plugin]]\nname = {name:?}\nfile = {:?}\nunsigned = true\nsettings = {{ {settings} }}\n\n",
        file.display().to_string()
    )
}

/// `analyst`, guarded and masked by both plugins, and `engineer`, who may do everything; both on `upstream`. The analyst may
/// define and drop as far as the role goes, so that refusing it is the plugin's doing.
///
/// # Errors
/// When the plugins are not built.
pub fn standard(upstream: &str) -> anyhow::Result<String> {
    guarded_by(upstream, "")
}

/// The same, with settings for the analyst's guard.
///
/// # Errors
/// When the plugins are not built.
pub fn guarded_by(upstream: &str, guard: &str) -> anyhow::Result<String> {
    Ok(roles(upstream, &["guard"]) + &plugin("guard", "sql-guard", guard)? + &plugin("pii", "pii", "")?)
}

/// The same as [`standard`] with plugins that `vendor` has signed, as it should be; and `mine` judges the analyst's statements
/// besides: a slot for a policy that is being written, which reads `file` and is unsigned.
///
/// # Errors
/// When the plugins are not built or cannot be signed.
pub fn with_slot(upstream: &str, file: &Path, vendor: &Vendor) -> anyhow::Result<String> {
    let plugins = vendor.plugin("guard", "sql-guard", "")? + &vendor.plugin("pii", "pii", "")?;
    let plugins = vendor.rule(&["grille/sql-guard", "grille/pii"]) + &plugins;
    Ok(roles(upstream, &["guard", "mine"]) + &plugins + &plugin_at("mine", file, ""))
}

/// The roles, the analyst's with these policies.
fn roles(upstream: &str, policies: &[&str]) -> String {
    format!(
        r#"
[[role]]
name = "analyst"
groups = [{ANALYSTS:?}]
upstreams = [{upstream:?}]
statements = ["read", "write", "define", "transaction", "session", "notify", "lock"]
policies = {policies:?}
detectors = ["pii"]
treatments = {{ EMAIL_ADDRESS = "token", CREDIT_CARD = "keep-last:4", US_SSN = "null", IBAN_CODE = "redact", PHONE_NUMBER = "redact" }}

[[role]]
name = "engineer"
groups = [{ENGINEERS:?}]
upstreams = [{upstream:?}]
statements = ["read", "write", "define", "grant", "transaction", "session", "maintain", "execute", "notify", "lock"]
policies = []
detectors = []

"#
    )
}
