//! From the operator's JSON to a plugin's own settings type.

use serde::de::DeserializeOwned;

use crate::Diagnostic;

/// Reads settings and gives them to `configure`. What the components and the test harness share.
///
/// # Errors
/// One diagnostic for the whole if the JSON does not fit the type (the host has checked it against the plugin's schema
/// before, so schema and type then differ); otherwise what `configure` says.
pub fn configure_json<S: DeserializeOwned, P>(
    settings_json: &str,
    configure: impl FnOnce(S) -> Result<P, Vec<Diagnostic>>,
) -> Result<P, Vec<Diagnostic>> {
    let settings =
        serde_json::from_str(settings_json).map_err(|error| vec![Diagnostic::new("", error.to_string())])?;
    configure(settings)
}
