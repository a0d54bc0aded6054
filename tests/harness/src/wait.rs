//! Waiting for a condition, bounded. The only place of the harness that sleeps.

use std::time::{Duration, Instant};

/// Between two looks. Short against what is waited for, long against a look.
const INTERVAL: Duration = Duration::from_millis(20);

/// Long enough for anything here to happen on a busy machine with two cores; a wait that takes it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until `probe` gives a value. `what` completes "gave up waiting for …".
///
/// # Errors
/// When `probe` fails, at once, or gives nothing within `limit`.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        anyhow::ensure!(Instant::now() < deadline, "gave up waiting for {what} after {limit:?}");
        std::thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_value_the_error_or_the_limit() {
        let mut left = 3;
        let counted = until("three looks", PATIENCE, || {
            left -= 1;
            Ok((left == 0).then_some("seen"))
        });
        assert_eq!(counted.expect("it counts down"), "seen");

        let failed = until::<()>("a failure", PATIENCE, || anyhow::bail!("broken"));
        assert_eq!(failed.expect_err("the probe fails").to_string(), "broken");

        let late = until::<()>("nothing", Duration::ZERO, || Ok(None));
        assert!(late.expect_err("nothing comes").to_string().contains("gave up waiting for nothing"));
    }
}
