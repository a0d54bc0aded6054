//! Processes that end when we do, however we end: a small shell stands between, and stops its child when our end of its
//! standard input closes. A test that is killed, or whose fixture is a static and never dropped, leaves nothing running.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::wait;

/// How long a process may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Runs `$5…` with its output in files and prints its process id; sends it `$1` when standard input ends, and SIGKILL `$2`
/// seconds after that.
const SUPERVISOR: &str = r#"
signal=$1 grace=$2 out=$3 err=$4
shift 4
exec 3<&0
"$@" </dev/null >>"$out" 2>>"$err" 3<&- &
child=$!
echo "$child"
( read -r _ <&3; kill -s "$signal" "$child"; sleep "$grace"; kill -s KILL "$child" ) >/dev/null 2>&1 &
watcher=$!
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// A signal a process is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGINT: PostgreSQL's fast shutdown.
    Interrupt,
    /// SIGTERM: finish and end.
    Terminate,
    /// SIGKILL: end.
    Kill,
    /// SIGALRM: pgbench takes it for the end of its time, finishes and reports.
    Alarm,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Hangup => "HUP",
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Alarm => "ALRM",
        }
    }
}

/// A running process and the files it writes to. Stopped when dropped.
#[derive(Debug)]
pub struct Supervised {
    name: String,
    shell: Child,
    pid: u32,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Supervised {
    /// Starts `command` as `name`, its output in `folder/name.out` and `folder/name.err`. Of `command` the program, its
    /// arguments and its environment count.
    ///
    /// # Errors
    /// When the shell does not start.
    pub fn start(command: &Command, name: &str, folder: &Path, stop: Signal) -> anyhow::Result<Self> {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        // So that they are there even before the shell opens them.
        for file in [&stdout, &stderr] {
            File::create(file).with_context(|| format!("cannot create {}", file.display()))?;
        }
        let mut shell = under_supervision(command, stop, &stdout, &stderr)
            .spawn()
            .with_context(|| format!("cannot start a shell for {name}"))?;
        let pid = read_pid(&mut shell).with_context(|| format!("{name} did not start"))?;
        Ok(Self { name: name.to_owned(), shell, pid, stdout, stderr })
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Standard output so far.
    pub fn stdout(&self) -> &Path {
        &self.stdout
    }

    /// Standard error so far.
    pub fn stderr(&self) -> &Path {
        &self.stderr
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let status = Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", signal.name(), &self.pid.to_string()])
            .status()?;
        anyhow::ensure!(status.success(), "{} (process {}) is gone", self.name, self.pid);
        Ok(())
    }

    /// Fails with the end of standard error when the process has ended.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.shell.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended with {status}: {}", self.name, self.last_words()),
        }
    }

    /// Stops the process and waits for it.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        drop(self.shell.stdin.take());
        self.wait()
    }

    /// Waits for the process to end by itself, or after a signal.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let limit = GRACE + Duration::from_secs(5);
        wait::until(&format!("{} to end", self.name), limit, || Ok(self.shell.try_wait()?))
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.stderr).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.shell.kill();
        }
    }
}

fn under_supervision(command: &Command, stop: Signal, stdout: &Path, stderr: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", SUPERVISOR, "sh", stop.name(), &GRACE.as_secs().to_string()]);
    shell.arg(stdout).arg(stderr).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    shell
}

fn read_pid(shell: &mut Child) -> anyhow::Result<u32> {
    let mut line = String::new();
    BufReader::new(shell.stdout.take().context("no standard output")?).read_line(&mut line)?;
    Ok(line.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, folder: &Path) -> Supervised {
        // A signal that is ignored when a shell starts cannot be trapped in it, and whoever runs the tests may ignore SIGHUP.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", "sh", "-c", script]);
        Supervised::start(&command, "test", folder, Signal::Terminate).expect("a shell starts")
    }

    #[test]
    fn a_process_ends_when_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = start("exec sleep 600", folder.path());
        let pid = Path::new("/proc").join(process.pid().to_string());
        assert!(pid.exists());
        drop(process);
        assert!(!pid.exists());
    }

    #[test]
    fn a_process_that_ends_early_is_noticed_with_its_last_words() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process = start("echo out of paper >&2; exit 3", folder.path());
        assert_eq!(process.wait().expect("it ends").code(), Some(3));
        let error = process.check_alive().expect_err("it has ended").to_string();
        assert!(error.contains("out of paper"), "{error}");
    }

    #[test]
    fn signals_arrive() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut process =
            start("trap 'echo again' HUP; echo up; while :; do sleep 0.01; done", folder.path());
        let has = |process: &Supervised, word: &str| {
            let path = process.stdout().to_owned();
            wait::until(word, wait::PATIENCE, || Ok(fs::read_to_string(&path)?.contains(word).then_some(())))
        };
        has(&process, "up").expect("it starts");
        process.signal(Signal::Hangup).expect("it is alive");
        has(&process, "again").expect("it heard");
        process.check_alive().expect("it goes on");
    }
}
