//! `grille plugin dev`: builds a plugin whenever its sources change, puts it where a running Grille reads it, and shows what it
//! decides. Here: the order of things. Sources, building, the slot, the decisions and what Grille makes of a build are in
//! modules of their own, and all that is said is in `news`.

mod decisions;
mod ignored;
mod news;
mod slot;
mod sources;
mod uptake;
mod workshop;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use grille_admin::PluginStatus;
use grille_build::{BuildError, Project};
use tokio::signal::unix::{SignalKind, signal};

use self::decisions::Decisions;
use self::news::{News, Swap, say};
use self::slot::{AtEnd, Slot};
use self::sources::Sources;
use self::uptake::Uptake;
use self::workshop::{Flaw, Product, Workshop};
use super::{Report, Verdict};
use crate::cli::Output;
use crate::cli::plugin as cli;
use crate::failure::Failure;
use crate::load;

/// How often the audit log, and what there is to do, is looked at when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// Most messages that wait. Of events in the sources one is as good as many, and more are dropped.
const MESSAGES_MAX: usize = 16;

/// Something happened in another thread.
enum Message {
    /// In the folders of the sources.
    Sources,
    /// A build ended.
    Made(Result<Product, Flaw>),
    /// The running Grille answered, or did not.
    Answered(Box<anyhow::Result<PluginStatus>>),
    /// A signal asks to end.
    Stop,
}

/// Runs until a signal ends it, or nobody reads what it says.
pub(super) fn dev(command: cli::Dev) -> Result<Report, Failure> {
    let cli::Dev { folder, config, slot, keep, output } = command;
    let at_end = if keep { AtEnd::Keep } else { AtEnd::Restore };
    Dev::begin(&folder, &config.path, &slot, at_end, output)?.run()?;
    Ok(Report { text: String::new(), verdict: Verdict::Good })
}

struct Dev {
    output: Output,
    messages: Receiver<Message>,
    tell: SyncSender<Message>,
    sources: Sources,
    workshop: Arc<Workshop>,
    work: Work,
    decisions: Decisions,
    uptake: Uptake,
    /// Last, so that it is given back after all else has ended.
    slot: Slot,
}

/// Whether a build is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Idle,
    Building,
}

/// Whether to go on.
enum Next {
    Tick,
    End,
}

impl Dev {
    /// Looks at everything before anything is changed.
    fn begin(
        folder: &Path,
        config: &Path,
        slot: &str,
        at_end: AtEnd,
        output: Output,
    ) -> Result<Self, Failure> {
        let folder = project_folder(folder)?;
        let config = load::config(config)?;
        let slot = Slot::open(&config, slot, at_end)?;
        let uptake = Uptake::of(config.admin.control_socket, &slot.name)?;
        let decisions = Decisions::follow(&config.audit.directory, &slot.name, slot.world)
            .context("decisions are read from the audit log, which `grille serve` begins")?;
        let (tell, messages) = sync_channel(MESSAGES_MAX);
        stop_on_signal(tell.clone())?;
        let event = tell.clone();
        let sources = Sources::watch(&folder, move || _ = event.try_send(Message::Sources))?;
        let workshop = Arc::new(Workshop::new(&folder, &slot, config.cache_directory)?);
        let this =
            Self { output, messages, tell, sources, workshop, work: Work::Idle, decisions, uptake, slot };
        let (slot, file) = (this.slot.name.clone(), this.slot.file.clone());
        this.say(&News::Watching { folder, slot, file })?;
        Ok(this)
    }

    fn run(mut self) -> Result<(), Failure> {
        self.build()?;
        while let Next::Tick = self.turn()? {}
        let left = self.slot.give_back()?;
        self.say(&News::Left { file: self.slot.file.clone(), left: left.into() })
    }

    /// One message, or none for a while, and what there is to do then.
    fn turn(&mut self) -> Result<Next, Failure> {
        match self.messages.recv_timeout(TICK) {
            Ok(Message::Sources) => self.sources.disturb(),
            Ok(Message::Made(made)) => self.take(made)?,
            Ok(Message::Answered(answer)) => {
                self.uptake.answered(*answer).map_or(Ok(()), |heard| self.say(&heard.into()))?;
            }
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(Next::End),
            Err(RecvTimeoutError::Timeout) => {}
        }
        self.tell_decisions()?;
        if let Some(question) = self.uptake.question() {
            self.in_background("ask", move || Message::Answered(Box::new(question.ask())))?;
        }
        if self.work == Work::Idle && self.sources.have_changed()? {
            self.build()?;
        }
        Ok(Next::Tick)
    }

    /// Begins a build; decisions go on being told meanwhile.
    fn build(&mut self) -> Result<(), Failure> {
        self.say(&News::Building)?;
        self.work = Work::Building;
        let workshop = Arc::clone(&self.workshop);
        self.in_background("build", move || Message::Made(workshop.make()))
    }

    /// Works in a thread of its own, whose outcome is a message.
    fn in_background(
        &self,
        name: &str,
        work: impl FnOnce() -> Message + Send + 'static,
    ) -> Result<(), Failure> {
        let tell = self.tell.clone();
        // Nobody listens if it has ended meanwhile.
        let work = move || _ = tell.send(work());
        thread::Builder::new().name(name.to_owned()).spawn(work).context("cannot start a thread")?;
        Ok(())
    }

    fn take(&mut self, made: Result<Product, Flaw>) -> Result<(), Failure> {
        self.work = Work::Idle;
        let product = match made {
            Ok(product) => product,
            Err(flaw) => return self.say(&News::of_flaw(flaw)),
        };
        let swap = if self.slot.fill(product.component.clone())? { Swap::Written } else { Swap::Same };
        self.say(&News::of_product(&product, swap))?;
        self.uptake.expect(product.digest);
        Ok(())
    }

    fn tell_decisions(&mut self) -> Result<(), Failure> {
        let judged = self.decisions.look().context("cannot follow the audit log")?;
        judged.into_iter().try_for_each(|judgement| self.say(&News::Judged(judgement)))
    }

    /// A reader that is gone ends everything, as a failure to write does.
    fn say(&self, news: &News) -> Result<(), Failure> {
        Ok(say(news, self.output).context("cannot write to standard output")?)
    }
}

/// A project whose `plugin.toml` can be read. Slips in it that come later are told as those in other sources are.
fn project_folder(folder: &Path) -> Result<PathBuf, Failure> {
    match Project::open(folder) {
        Ok(_) | Err(BuildError::Manifest { .. }) => {}
        Err(error) => return Err(Failure::Usage(error.into())),
    }
    let canonical = fs::canonicalize(folder);
    canonical.with_context(|| format!("cannot find {}", folder.display())).map_err(Failure::Usage)
}

/// From here on SIGINT, SIGTERM and SIGHUP are messages: the slot is to be given back first.
fn stop_on_signal(tell: SyncSender<Message>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot wait for signals")?;
    let listen = |kind: SignalKind| {
        let _inside = runtime.enter();
        signal(kind).map_err(|error| anyhow!("cannot wait for signals: {error}"))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        // Nobody listens if it has ended by itself.
        let _ = tell.send(Message::Stop);
    };
    thread::Builder::new().name("signals".into()).spawn(wait).context("cannot start a thread")?;
    Ok(())
}
