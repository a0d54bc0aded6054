//! What the policy answers in each mode.

use misdeeds::{Settings, allocate, spin, trap};
use serde::Deserialize;

/// What to do when an action is to be judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Allows.
    #[default]
    Allow,
    /// Denies.
    Deny,
    /// Asks for approval.
    Hold,
    /// Wants `SELECT 1` run instead.
    Rewrite,
    /// Gives a verdict that no host of this version knows.
    Extension,
    /// Allows with an obligation that no host of this version knows.
    UnknownObligation,
    /// Allows with a row cap that is no number.
    BadObligation,
    /// Allows the first action an instance is asked about and denies the second: an instance that is used again shows.
    Remember,
    /// Does not return.
    Spin,
    /// Takes all memory.
    Allocate,
    /// Traps.
    Trap,
    /// Returns a failure.
    Fail,
    /// Allows what does not mention the trigger text, and traps on what does.
    TrapOnCanary,
    /// Allows what does not mention the trigger text, and does not return from what does.
    SpinOnCanary,
    /// Denies with a reason of bytes that are not UTF-8.
    BadUtf8,
    /// Denies with a reason of `size` bytes.
    GiantReason,
    /// Denies with a reason that would forge a log line or a terminal's colours.
    ControlCharacters,
    /// Allows with `size` obligations.
    GiantObligations,
}

/// WIT's `verdict`, as far as the policy uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the interface says what they are")]
pub enum Verdict {
    Allow,
    Deny(String),
    Hold(String),
    Rewrite(String),
    Extension(String, Vec<u8>),
}

/// WIT's `decision`: a verdict and obligations.
pub type Decision = (Verdict, Vec<(String, String)>);

/// The answer to an action with this text, the `earlier`-th of the instance, counted from 0.
///
/// # Errors
/// In the mode `fail`.
pub fn decide(settings: &Settings<Mode>, text: &str, earlier: u32) -> Result<Decision, String> {
    let canary = text.contains(&settings.trigger);
    let verdict = match settings.mode.late() {
        Mode::Allow => Verdict::Allow,
        Mode::Deny => Verdict::Deny("denied, as asked".into()),
        Mode::Hold => Verdict::Hold("held, as asked".into()),
        Mode::Rewrite => Verdict::Rewrite("SELECT 1".into()),
        Mode::Extension => Verdict::Extension("allow-everything".into(), vec![1]),
        Mode::UnknownObligation => return Ok(obliged("sing", "loudly", 1)),
        Mode::BadObligation => return Ok(obliged("row-cap", "many", 1)),
        Mode::GiantObligations => return Ok(obliged("row-cap", "1", settings.size)),
        Mode::Remember if earlier > 0 => Verdict::Deny("this instance was used before".into()),
        Mode::Remember => Verdict::Allow,
        Mode::Spin => spin(),
        Mode::Allocate => allocate(),
        Mode::Trap => trap(),
        Mode::Fail => return Err("failing, as asked".into()),
        Mode::TrapOnCanary if canary => trap(),
        Mode::SpinOnCanary if canary => spin(),
        Mode::TrapOnCanary | Mode::SpinOnCanary => Verdict::Allow,
        Mode::BadUtf8 => Verdict::Deny(not_utf8()),
        Mode::GiantReason => Verdict::Deny("x".repeat(settings.size)),
        Mode::ControlCharacters => Verdict::Deny("line\nERROR: forged\u{1b}[31m\u{0}".into()),
    };
    Ok((verdict, Vec::new()))
}

fn obliged(key: &str, value: &str, count: usize) -> Decision {
    (Verdict::Allow, vec![(key.into(), value.into()); count])
}

/// A "string" that the bindings hand over without looking at it.
#[expect(unsafe_code, reason = "no safe code makes a string that is none")]
fn not_utf8() -> String {
    // SAFETY: against the function's contract, and the purpose of this plugin. Nothing here reads it as text: its pointer
    // and length go to the host, which must refuse it.
    unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(mode: &str, text: &str, earlier: u32) -> Result<Decision, String> {
        let settings = format!(r#"{{"mode": "{mode}", "size": 3}}"#);
        decide(&Settings::configure(&settings).expect("settings"), text, earlier)
    }

    #[test]
    fn modes_answer_as_they_say() {
        let check = |mode: &str, expected: Verdict| {
            assert_eq!(answer(mode, "select 1", 0), Ok((expected, Vec::new())), "{mode}");
        };
        check("allow", Verdict::Allow);
        check("remember", Verdict::Allow);
        check("trap-on-canary", Verdict::Allow);
        check("giant-reason", Verdict::Deny("xxx".into()));
        check("rewrite", Verdict::Rewrite("SELECT 1".into()));
        assert!(matches!(answer("remember", "", 1), Ok((Verdict::Deny(_), _))));
        assert!(answer("fail", "", 0).is_err());
        assert!(std::panic::catch_unwind(|| answer("trap-on-canary", "canary", 0)).is_err());
    }

    #[test]
    fn obligations_are_such_as_no_host_can_honour() {
        let obligations = |mode| answer(mode, "", 0).expect("a decision").1;
        assert_eq!(obligations("unknown-obligation"), [("sing".into(), "loudly".into())]);
        assert_eq!(obligations("bad-obligation"), [("row-cap".into(), "many".into())]);
        assert_eq!(obligations("giant-obligations").len(), 3);
    }

    #[test]
    fn the_bad_reason_is_not_utf8() {
        let Ok((Verdict::Deny(reason), _)) = answer("bad-utf8", "", 0) else { panic!("a denial") };
        assert!(String::from_utf8(reason.into_bytes()).is_err());
    }
}
