//! What the running Grille does when it is asked to observe: differences of a candidate in the shadow, recordings. Shadow and
//! recordings themselves are the data plane's.

use std::path::Path;
use std::time::Duration;

use grille_admin::ControlAnswer;
use grille_core::PluginId;
use grille_core::recording::RecordingStatus;
use grille_proxy::{Control, RecordingError, RecordingOrder};

/// What the candidate in the shadow of a plugin has answered otherwise.
pub(crate) fn differences(control: &Control, plugin: &str) -> ControlAnswer {
    match control.differences(&PluginId::new(plugin)) {
        Some(report) => ControlAnswer::Differences(Box::new(report)),
        None => {
            let message = format!(
                "no candidate was in the shadow of `{plugin}` since Grille started: grille plugin shadow"
            );
            ControlAnswer::Refused { message }
        }
    }
}

/// Begins a recording.
pub(crate) async fn record(
    control: &Control,
    directory: &Path,
    plugin: String,
    time_s_max: u64,
    inputs_max: u64,
) -> ControlAnswer {
    let order = RecordingOrder {
        plugin: PluginId::new(plugin),
        directory: directory.to_owned(),
        time_max: Duration::from_secs(time_s_max),
        inputs_max,
    };
    let control = control.clone();
    told(tokio::task::spawn_blocking(move || control.record(&order)).await)
}

/// Ends one.
pub(crate) async fn stop_recording(control: &Control, plugin: String) -> ControlAnswer {
    let control = control.clone();
    let plugin = PluginId::new(plugin);
    told(tokio::task::spawn_blocking(move || control.stop_recording(&plugin)).await)
}

fn told(done: Result<Result<RecordingStatus, RecordingError>, tokio::task::JoinError>) -> ControlAnswer {
    let refused = |message: String| ControlAnswer::Refused { message };
    match done {
        Ok(Ok(status)) => ControlAnswer::Recording(status),
        Ok(Err(error)) => refused(crate::surroundings::chain(&error)),
        Err(error) => refused(format!("Grille failed at it: {error}")),
    }
}
