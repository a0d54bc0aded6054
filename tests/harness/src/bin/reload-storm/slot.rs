//! One slot: what it is given, what must come of it, and what did.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use grille_harness::wait;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::candidate::{Candidate, Library};
use crate::dice::Dice;
use crate::kind::Kind;
use crate::stage::{Door, Stage};

/// Longest time until a candidate by file has been judged: others before it may hang for seconds each.
const PATIENCE: Duration = Duration::from_secs(90);

/// What every candidate but `stamped-policy` must not be heard to say.
const QUESTION: &str = "SELECT 1 AS revision";

/// How a candidate comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    File,
    Command,
}

/// What came of a candidate.
pub(crate) enum Outcome {
    /// It is active, as it should be.
    Accepted,
    /// It is not, as it should be, and status says why.
    Refused,
    /// It is otherwise: how.
    Wrong(String),
}

/// See the module's documentation.
pub(crate) struct Slot {
    door: Door,
    /// What must be active.
    active: Candidate,
    /// Of what is in the file.
    file_digest: String,
    /// Of what status says was refused last.
    refused_digest: String,
    next: Candidate,
    way: Way,
    /// What the command was told.
    answer: Option<Value>,
    file: PathBuf,
    aside: PathBuf,
    runtime: Runtime,
    session: Client,
}

impl Slot {
    pub(crate) fn begin(stage: &Stage, library: &Library, door: Door) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let session = runtime.block_on(stage.endpoint(door)?.connect())?;
        let first = library.first().clone();
        Ok(Self {
            door,
            file_digest: first.digest.clone(),
            refused_digest: String::new(),
            active: first.clone(),
            next: first,
            way: Way::File,
            answer: None,
            file: stage.file(door),
            aside: stage.aside()?.join(format!("for-{}.wasm", door.name())),
            runtime,
            session,
        })
    }

    pub(crate) fn name(&self) -> String {
        self.door.name()
    }

    /// What comes next, in words.
    pub(crate) fn told(&self) -> String {
        let way = match self.way {
            Way::File => "by file",
            Way::Command => "by command",
        };
        format!("{} {way}", self.next.kind.told())
    }

    /// Throws for the next candidate. It is neither active nor in the file nor the one that was refused last, so that whatever comes
    /// of it shows.
    pub(crate) fn choose(&mut self, library: &mut Library, dice: &mut Dice) -> anyhow::Result<()> {
        let kind = Kind::thrown(dice.below(1000), self.door);
        self.way = if dice.below(2) == 0 { Way::File } else { Way::Command };
        let not = [self.active.digest.as_str(), &self.file_digest, &self.refused_digest];
        self.next = library.pick(kind, self.door, &not, dice)?;
        self.answer = None;
        Ok(())
    }

    /// Puts it into the file, if that is its way.
    pub(crate) fn drop_file(&mut self) -> anyhow::Result<()> {
        if self.way == Way::File {
            self.next.put(&self.file)?;
            self.file_digest.clone_from(&self.next.digest);
        }
        Ok(())
    }

    /// Names it to the running Grille, if that is its way.
    pub(crate) fn command(&mut self, stage: &Stage) -> anyhow::Result<()> {
        if self.way == Way::Command {
            self.next.put(&self.aside)?;
            let request = json!({ "command": "plugin-activate", "plugin": self.name(), "file": self.aside });
            self.answer = Some(stage.grille.control(&request)?);
        }
        Ok(())
    }

    /// What has come of it, by status, by what a session hears, and by what the command was told.
    pub(crate) fn look(&mut self, stage: &Stage) -> anyhow::Result<Outcome> {
        let expected = self.next.kind.refused_at(self.door);
        let judged = match &self.answer {
            Some(answer) => self.told_as_expected(answer, expected),
            None => self.await_judgement(stage)?,
        };
        let status = self.status(stage)?;
        if let Some(digest) = status["refused"]["digest"].as_str() {
            self.refused_digest = digest.to_owned();
        }
        if let Err(why) = judged {
            return Ok(Outcome::Wrong(why));
        }
        if expected.is_none() {
            self.active = self.next.clone();
        }
        Ok(match self.fault(&status, expected)? {
            Some(why) => Outcome::Wrong(why),
            None if expected.is_none() => Outcome::Accepted,
            None => Outcome::Refused,
        })
    }

    fn told_as_expected(&self, answer: &Value, expected: Option<&str>) -> Result<(), String> {
        let message = answer["message"].as_str().unwrap_or_default();
        let is_right = match expected {
            None => answer["answer"] == "plugin-changed",
            Some(stage) => answer["answer"] == "refused" && message.contains(&format!("at {stage}: ")),
        };
        if is_right { Ok(()) } else { Err(format!("the command was told {answer}")) }
    }

    /// Until status says of the candidate that it is active, or that it was refused.
    fn await_judgement(&self, stage: &Stage) -> anyhow::Result<Result<(), String>> {
        let mut last = Value::Null;
        let waited = wait::until("a judgement", PATIENCE, || {
            last = self.status(stage)?;
            let digests = [&last["active"]["digest"], &last["refused"]["digest"]];
            Ok(digests.iter().any(|digest| **digest == self.next.digest).then_some(()))
        });
        Ok(waited.map_err(|error| format!("{error}; status says {last}")))
    }

    /// What is not as it must be.
    fn fault(&self, status: &Value, expected: Option<&str>) -> anyhow::Result<Option<String>> {
        if status["active"]["digest"] != self.active.digest {
            return Ok(Some(format!("{} should be active: {status}", self.active.stamp)));
        }
        if let (Some(stage), Way::File) = (expected, self.way) {
            let refused = &status["refused"];
            let why = refused["why"].as_str().unwrap_or_default();
            if refused["stage"] != stage || why.is_empty() {
                return Ok(Some(format!("it should be refused at {stage}: {refused}")));
            }
        }
        let heard = self.heard()?;
        let says = format!("{} []", self.active.stamp);
        Ok((!heard.contains(&says)).then(|| format!("a session should hear {says:?}, and hears {heard:?}")))
    }

    fn status(&self, stage: &Stage) -> anyhow::Result<Value> {
        stage.grille.plugins()?.remove(&self.name()).context("status does not have the slot")
    }

    fn heard(&self) -> anyhow::Result<String> {
        let answer = self.runtime.block_on(self.session.simple_query(QUESTION));
        let error = answer.err().context("the question was not refused")?;
        let told = error.as_db_error().with_context(|| error.to_string())?;
        Ok(format!("{} {}", told.message(), told.detail().unwrap_or_default()))
    }
}
