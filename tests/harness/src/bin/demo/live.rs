//! What goes on beside a tutorial: a psql session that stays open, and `grille plugin dev` at work.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{fs, thread};

use anyhow::Context;
use grille_harness::scratch::Scratch;
use grille_harness::supervised::{Signal, Supervised};
use grille_harness::{Endpoint, postgres, wait};

/// Longest time for a build from nothing, a component compiled, and the running Grille to take it, on a busy machine.
const BUILD_PATIENCE: Duration = Duration::from_secs(300);

/// psql, as a person has it open: statement after statement in one session.
pub(crate) struct Psql {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    asked: u32,
}

impl Psql {
    pub(crate) fn open(client: &Endpoint) -> anyhow::Result<Self> {
        // Errors among the answers, and each line when it is said, as on a terminal.
        let mut shell = Command::new("stdbuf");
        shell.args(["-oL", "sh", "-c", "exec \"$0\" -X -A -t 2>&1"]).arg(postgres::program("psql")?);
        shell.envs(client.variables()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().context("cannot run psql")?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let (tell, lines) = channel();
        // Ends with psql's output.
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Ok(Self { child, input, lines, asked: 0 })
    }

    /// What it says to a statement.
    pub(crate) fn ask(&mut self, statement: &str) -> anyhow::Result<String> {
        self.asked += 1;
        let end = format!("answered {}", self.asked);
        writeln!(self.input, "{statement}\n\\echo {end}")?;
        let mut answer = String::new();
        loop {
            let line = self.lines.recv_timeout(wait::PATIENCE).context("psql does not answer")?;
            if line == end {
                return Ok(answer);
            }
            answer.push_str(&line);
            answer.push('\n');
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        let _ = writeln!(self.input, "\\q");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `grille plugin dev` at work.
pub(crate) struct DevProcess {
    process: Supervised,
    output: PathBuf,
    /// How many builds have been taken so far.
    taken: usize,
    /// How many statements have been told so far.
    told: usize,
    _scratch: Scratch,
}

/// What `dev` says when the running Grille has taken a build.
const TAKEN: &str = " judges now";

impl DevProcess {
    /// Starts it in a folder; `command` is the whole of it.
    pub(crate) fn start(command: &[String], folder: &Path) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", "cd \"$0\" && exec \"$@\""]).arg(folder).args(command);
        let process = Supervised::start(&shell, "dev", scratch.path(), Signal::Interrupt)?;
        let output = process.stdout().to_owned();
        Ok(Self { process, output, taken: 0, told: 0, _scratch: scratch })
    }

    /// Until the running Grille has taken another build.
    pub(crate) fn await_taken(&mut self) -> anyhow::Result<()> {
        self.taken += 1;
        self.await_said(TAKEN, self.taken, BUILD_PATIENCE)
    }

    /// Until it tells of another statement that begins so.
    pub(crate) fn await_told(&mut self, statement: &str) -> anyhow::Result<()> {
        self.told += 1;
        self.await_said(statement, self.told, wait::PATIENCE)
    }

    fn await_said(&mut self, part: &str, times: usize, limit: Duration) -> anyhow::Result<()> {
        let (output, process) = (self.output.clone(), &mut self.process);
        let seen = wait::until(&format!("{part:?}, {times} times"), limit, || {
            process.check_alive()?;
            Ok((fs::read_to_string(&output)?.matches(part).count() >= times).then_some(()))
        });
        seen.with_context(|| format!("dev said: {}", self.said()))
    }

    /// Everything it said.
    pub(crate) fn said(&self) -> String {
        let said = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        said(&self.output) + &said(self.process.stderr())
    }

    /// Ctrl-C: waits for its end, which has to be a good one.
    pub(crate) fn interrupt(mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Interrupt)?;
        let status = self.process.wait()?;
        anyhow::ensure!(status.success(), "dev ended with {status}: {}", self.said());
        Ok(())
    }
}
