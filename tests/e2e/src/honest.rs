//! An honest session beside hostile ones: it must not notice them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::Stage;

/// In every e-mail address and in every note of the sample: what nobody guarded may see.
pub const RAW: &str = "mail.example.com";

/// Several times what a plugin that spins is given, on a machine that is busy.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Runs `hostilities` while an honest session asks again and again; each of its answers must be right, and none may wait for
/// longer than a spinning plugin is given several times over.
///
/// # Errors
/// Those of the hostilities; an answer was wrong or late.
///
/// # Panics
/// When the honest session was never served.
pub fn beside_an_honest_session(
    stage: &Stage,
    hostilities: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let honest = stage.analyst()?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut answers = 0_u32;
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let said = honest.psql_strict("SELECT name, email FROM customers WHERE id = 3")?.ok()?;
                ensure!(said.starts_with("Dagmar ") && !said.contains(RAW), "{said}");
                ensure!(asked.elapsed() < ANSWER_TIME_MAX, "it waited {:?}", asked.elapsed());
                answers += 1;
            }
            Ok(answers)
        });
        let outcome = hostilities();
        over.store(true, Ordering::Relaxed);
        let answers = watch.join().expect("the honest session does not panic")?;
        assert!(answers > 0, "the honest session was served");
        outcome
    })
}
