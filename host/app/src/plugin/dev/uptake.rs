//! What the running Grille makes of a build: asked through its control socket until it says something, and then every so often,
//! for a revision can be rolled back later.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use grille_admin::{ControlAnswer, ControlRequest, PluginStatus, send};
use grille_core::untrusted::clean_text;
use serde::Serialize;

use crate::failure::Failure;

/// How often it is asked while its word on a build is awaited.
const ASK_INTERVAL: Duration = Duration::from_millis(300);

/// How often it is asked afterwards.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// After how long without a word that is told. Without events from the file system it looks every 10 s, and a component may take
/// as long to compile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest reason that is told, in bytes.
const WHY_BYTES_MAX: usize = 1000;

/// What a build is to the running Grille.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub(super) enum Standing {
    /// It judges.
    Active,
    /// It judges off the path.
    Shadow,
    /// It judges for a share of the principals.
    Canary,
    /// It judged, and was taken back.
    HeldBack { why: String },
    /// It was not taken.
    Refused { stage: String, why: String },
    /// Nothing is known of it yet.
    Unknown,
}

/// What is new.
#[derive(Debug)]
pub(super) enum Heard {
    /// A build is something else than before.
    Standing { digest: String, standing: Standing },
    /// No answer comes, and why.
    Silence(String),
}

/// Asks about one slot.
#[derive(Debug)]
pub(super) struct Uptake {
    socket: Option<PathBuf>,
    slot: String,
    awaited: Option<Awaited>,
    asking: Asking,
    silence: Silence,
}

/// A build that was put into the slot.
#[derive(Debug)]
struct Awaited {
    /// SHA-256, hexadecimal.
    digest: String,
    since: Instant,
    told: Option<Standing>,
}

/// Whether there is an answer to come.
#[derive(Clone, Copy, Debug)]
enum Asking {
    Awaited,
    /// And when the last question was asked.
    Done(Instant),
}

/// Whether it was told that no answers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    None,
    Told,
}

/// To be asked where waiting does no harm.
#[derive(Debug)]
pub(super) struct Question {
    socket: PathBuf,
    slot: String,
}

impl Uptake {
    /// Asks at once: without a Grille that knows the slot there is nothing to see. Without a control socket nothing is asked.
    ///
    /// # Errors
    /// No Grille is running, or it has no such slot.
    pub(super) fn of(socket: Option<PathBuf>, slot: &str) -> Result<Self, Failure> {
        if let Some(socket) = &socket {
            Question { socket: socket.clone(), slot: slot.to_owned() }.ask().map_err(Failure::Other)?;
        }
        let asking = Asking::Done(Instant::now());
        Ok(Self { socket, slot: slot.to_owned(), awaited: None, asking, silence: Silence::None })
    }

    /// From here on it is about this build.
    pub(super) fn expect(&mut self, digest: String) {
        if self.awaited.as_ref().is_none_or(|awaited| awaited.digest != digest) {
            self.awaited = Some(Awaited { digest, since: Instant::now(), told: None });
        }
    }

    /// What is to be asked now, if anything.
    pub(super) fn question(&mut self) -> Option<Question> {
        let (socket, awaited) = (self.socket.as_ref()?, self.awaited.as_ref()?);
        let Asking::Done(last) = self.asking else { return None };
        let interval = match awaited.told {
            None => ASK_INTERVAL,
            Some(_) => WATCH_INTERVAL,
        };
        if last.elapsed() < interval {
            return None;
        }
        self.asking = Asking::Awaited;
        Some(Question { socket: socket.clone(), slot: self.slot.clone() })
    }

    /// What is new by an answer.
    pub(super) fn answered(&mut self, answer: anyhow::Result<PluginStatus>) -> Option<Heard> {
        self.asking = Asking::Done(Instant::now());
        match answer {
            Ok(status) => {
                self.silence = Silence::None;
                self.awaited.as_mut()?.news(&status)
            }
            Err(error) => {
                let before = std::mem::replace(&mut self.silence, Silence::Told);
                (before == Silence::None).then(|| Heard::Silence(format!("{error:#}")))
            }
        }
    }
}

impl Awaited {
    fn news(&mut self, status: &PluginStatus) -> Option<Heard> {
        let standing = standing(&self.digest, status);
        let is_early = standing == Standing::Unknown && self.since.elapsed() < PATIENCE;
        if is_early || self.told.as_ref() == Some(&standing) {
            return None;
        }
        self.told = Some(standing.clone());
        Some(Heard::Standing { digest: self.digest.clone(), standing })
    }
}

impl Question {
    /// Blocks until the running Grille answers, half a minute at most.
    ///
    /// # Errors
    /// It does not, or knows no such slot.
    pub(super) fn ask(self) -> anyhow::Result<PluginStatus> {
        let Self { socket, slot } = self;
        let answer = send(&socket, &ControlRequest::PluginStatus { plugin: Some(slot.clone()) });
        let answer = answer.context("is `grille serve` running with this configuration?")?;
        match answer {
            ControlAnswer::Plugins(status) => {
                let mut plugins = status.plugins.into_iter();
                plugins.find(|plugin| plugin.name == slot).with_context(|| {
                    format!("the running Grille has no plugin `{slot}`; it has another configuration than this one")
                })
            }
            ControlAnswer::Refused { message } => Err(anyhow!(clean_text(&message, WHY_BYTES_MAX))),
            _ => Err(anyhow!("the running Grille answered something else: is it of another version?")),
        }
    }
}

/// What a component is, by what is said of the slot. What judges was taken, whatever was said of it before.
fn standing(digest: &str, status: &PluginStatus) -> Standing {
    let is_ours = |said: &str| said.strip_prefix("sha256:").unwrap_or(said) == digest;
    let why = |why: &str| clean_text(why, WHY_BYTES_MAX);
    if is_ours(&status.active.digest) {
        return Standing::Active;
    }
    if let Some(candidate) = status.candidate.as_ref().filter(|one| is_ours(&one.digest)) {
        return match candidate.stage.as_str() {
            "canary" => Standing::Canary,
            _ => Standing::Shadow,
        };
    }
    if let Some(held) = status.held_back.iter().find(|one| is_ours(&one.digest)) {
        return Standing::HeldBack { why: why(&held.why) };
    }
    match status.refused.as_ref().filter(|one| one.digest.as_deref().is_some_and(is_ours)) {
        Some(refused) => Standing::Refused { stage: why(&refused.stage), why: why(&refused.why) },
        None => Standing::Unknown,
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("judges now"),
            Self::Shadow => {
                f.write_str("judges off the path, as a shadow: `grille plugin promote` makes it count")
            }
            Self::Canary => f.write_str("judges for a share of the principals, as a canary"),
            Self::HeldBack { why } => write!(f, "was taken back by the running Grille: {why}"),
            Self::Refused { stage, why } => write!(f, "was refused by the running Grille at {stage}: {why}"),
            Self::Unknown => {
                f.write_str("has not been taken by the running Grille so far; its log may say why")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn revision(digest: &str, stage: &str) -> serde_json::Value {
        json!({"stage": stage, "id": "a/b", "version": "1", "digest": format!("sha256:{digest}"), "settings": "sha256:0",
            "signer": "", "capabilities": []})
    }

    fn status(more: serde_json::Value) -> PluginStatus {
        let mut status = json!({"name": "mine", "world": "policy", "file": "/f", "file_digest": null,
            "active": revision("old", "active"), "previous": null, "candidate": null, "held_back": [],
            "refused": null});
        let parts = more.as_object().expect("an object").clone();
        status.as_object_mut().expect("an object").extend(parts);
        serde_json::from_value(status).expect("a status")
    }

    #[test]
    fn a_build_is_where_the_status_has_it() {
        let check = |more, expected| assert_eq!(standing("new", &status(more)), expected);
        let held = json!([{"digest": "sha256:new", "why": "3 of 4 calls failed", "since": "t"}]);
        let refused =
            json!({"digest": "sha256:new", "file": "/f", "stage": "vectors", "why": "no", "at": "t"});
        check(json!({}), Standing::Unknown);
        check(json!({"active": revision("new", "active"), "refused": refused}), Standing::Active);
        check(json!({"candidate": revision("new", "shadow")}), Standing::Shadow);
        check(json!({"candidate": revision("new", "canary")}), Standing::Canary);
        check(json!({"held_back": held}), Standing::HeldBack { why: "3 of 4 calls failed".to_owned() });
        let no = Standing::Refused { stage: "vectors".to_owned(), why: "no".to_owned() };
        check(json!({"refused": refused}), no);
        check(
            json!({"candidate": revision("other", "shadow"), "previous": revision("new", "previous")}),
            Standing::Unknown,
        );
    }

    fn told(heard: Option<Heard>) -> String {
        match heard {
            Some(Heard::Standing { digest, standing }) => format!("{digest} {standing}"),
            Some(Heard::Silence(why)) => why,
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_standing_is_told_when_it_changes() {
        let mut uptake = Uptake {
            socket: None,
            slot: "mine".to_owned(),
            awaited: None,
            asking: Asking::Awaited,
            silence: Silence::None,
        };
        let active = || status(json!({"active": revision("new", "active")}));
        assert!(uptake.answered(Ok(active())).is_none(), "nothing is awaited");
        uptake.expect("new".to_owned());
        assert!(uptake.answered(Ok(status(json!({})))).is_none(), "it is early");
        assert_eq!(told(uptake.answered(Ok(active()))), "new judges now");
        assert!(uptake.answered(Ok(active())).is_none(), "it is known");
        uptake.expect("new".to_owned());
        assert!(uptake.answered(Ok(active())).is_none(), "it is the same build");
        let held = json!({"held_back": [{"digest": "sha256:new", "why": "it failed", "since": "t"}]});
        let expected = "new was taken back by the running Grille: it failed";
        assert_eq!(told(uptake.answered(Ok(status(held)))), expected);
    }

    #[test]
    fn silence_is_told_once() {
        let mut uptake = Uptake::of(None, "mine").expect("nothing to ask");
        assert!(uptake.question().is_none());
        assert!(uptake.answered(Err(anyhow!("gone"))).is_some());
        assert!(uptake.answered(Err(anyhow!("gone"))).is_none());
        uptake.expect("new".to_owned());
        assert!(uptake.answered(Ok(status(json!({"active": revision("new", "active")})))).is_some());
        assert!(uptake.answered(Err(anyhow!("gone"))).is_some());
    }

    #[test]
    fn without_a_grille_there_is_nothing_to_see() {
        let folder = tempfile::tempdir().expect("a folder");
        let failure = Uptake::of(Some(folder.path().join("none.sock")), "mine").expect_err("nobody listens");
        assert!(failure.to_string().contains("is `grille serve` running"), "{failure}");
    }
}
