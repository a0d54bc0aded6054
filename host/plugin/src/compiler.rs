//! Turning WebAssembly into machine code, in a process of its own that has little to lose.
//!
//! A component is hostile input to a large compiler. The child gets it on standard input, gives machine code on standard
//! output, has limits on memory, time and files, inherits no environment, and is killed when it takes too long.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::failure::host_text;
use crate::limits::{
    ARTEFACT_BYTES_MAX, COMPILE_ADDRESS_SPACE_MAX, COMPILE_CPU_SECONDS_MAX, COMPILE_STDERR_BYTES_MAX,
    COMPILE_TIME_MAX, COMPONENT_BYTES_MAX,
};
use crate::untrusted::clean_text;
use crate::wasm_config;

/// How components are compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// By a program that does nothing but call [`compile_child`].
    Child {
        /// The program: usually this very one.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
    /// In this process: for tests and for tools that run nothing else.
    InProcess,
}

/// A component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler says what is wrong with the component.
    #[error("{0}")]
    Invalid(String),
    /// The compiler's process ended badly: it ran into a limit, or crashed.
    #[error("the compiler ended with {status}: {message}")]
    Child {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// It took too long.
    #[error("the compiler took longer than {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It gave nothing, or more than any component needs.
    #[error("the compiler gave no usable result")]
    Unusable,
    /// What it gave does not run here: larger than an instance may be, or of another engine.
    #[error("{0}")]
    Unsuitable(String),
    /// It could not be run: the operator's fault, or ours.
    #[error("the compiler could not be run: {0}")]
    Run(#[from] io::Error),
}

impl Compiler {
    /// Machine code for a component.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        component: &[u8],
    ) -> Result<Vec<u8>, CompileError> {
        match self {
            Self::InProcess => engine
                .precompile_component(component)
                .map_err(|error| CompileError::Invalid(host_text(&error))),
            Self::Child { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments);
                compile_in_child(command, component, COMPILE_TIME_MAX)
            }
        }
    }
}

fn compile_in_child(
    mut command: Command,
    component: &[u8],
    time_max: Duration,
) -> Result<Vec<u8>, CompileError> {
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let deadline = Instant::now() + time_max;
    let mut child = command.spawn()?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::Unusable);
    };
    thread::scope(|scope| {
        let (result, results) = mpsc::channel();
        // A child that ends before it has read everything says why by its status.
        scope.spawn(move || drop(stdin.write_all(component)));
        scope.spawn(move || drop(result.send(read_at_most(stdout, ARTEFACT_BYTES_MAX))));
        let message = scope.spawn(move || read_at_most(stderr, COMPILE_STDERR_BYTES_MAX));
        let artefact = results.recv_timeout(time_max);
        // Ends the child in any case: the threads end when its pipes close.
        let status = wait_until(&mut child, deadline)?;
        let Some(status) = status else { return Err(CompileError::TimedOut(time_max)) };
        let message = message.join().unwrap_or_default();
        if !status.success() {
            let message = clean_text(&String::from_utf8_lossy(&message), COMPILE_STDERR_BYTES_MAX);
            return Err(CompileError::Child { status, message });
        }
        artefact
            .ok()
            .filter(|artefact| !artefact.is_empty() && artefact.len() <= ARTEFACT_BYTES_MAX)
            .ok_or(CompileError::Unusable)
    })
}

/// Reads until the end, an error, or one byte more than `limit`: what is longer is told by its length.
fn read_at_most(source: impl Read, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What an error cuts short is found out: by the child's status, or when the artefact is loaded.
    let _ = source.take(limit as u64 + 1).read_to_end(&mut bytes);
    bytes
}

/// Waits for the child to end, and kills it at the deadline; `None` when that was needed.
fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        // The standard library has no wait with a time limit; the child has closed its output and is about to end.
        thread::sleep(Duration::from_millis(2));
    }
}

/// The child's side of [`Compiler::Child`]: limits itself, then compiles standard input to standard output.
pub fn compile_child() -> ExitCode {
    match compile_streams() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when this fails too.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn compile_streams() -> Result<(), CompileError> {
    limit_process()?;
    let component = read_at_most(io::stdin().lock(), COMPONENT_BYTES_MAX);
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(CompileError::Invalid("the component is too large".to_owned()));
    }
    let engine = wasm_config::compiling_engine().map_err(|error| CompileError::Invalid(host_text(&error)))?;
    let artefact = Compiler::InProcess.compile(&engine, &component)?;
    io::stdout().lock().write_all(&artefact)?;
    Ok(())
}

fn limit_process() -> io::Result<()> {
    let limits = [
        (Resource::As, COMPILE_ADDRESS_SPACE_MAX),
        (Resource::Cpu, COMPILE_CPU_SECONDS_MAX),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, time_max: Duration) -> Result<Vec<u8>, CompileError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        compile_in_child(command, &[7; 1 << 20], time_max)
    }

    const PLENTY: Duration = Duration::from_secs(60);

    #[test]
    fn the_childs_output_is_the_result() {
        let artefact = run("/bin/cat", PLENTY).expect("cat is a compiler of sorts");
        assert_eq!(artefact, [7; 1 << 20]);
    }

    #[test]
    fn a_child_that_fails_says_why() {
        let error = run("echo no good >&2; exit 3", PLENTY).expect_err("it failed").to_string();
        assert!(error.contains("no good") && error.contains('3'), "{error}");
        let error = run("kill -9 $$", PLENTY).expect_err("it was killed").to_string();
        assert!(error.contains("signal"), "{error}");
        assert!(matches!(run("true", PLENTY), Err(CompileError::Unusable)));
    }

    #[test]
    fn a_child_that_hangs_is_killed() {
        let begun = Instant::now();
        let error = run("exec /bin/sleep 1000", Duration::from_millis(50)).expect_err("it hangs");
        assert!(matches!(error, CompileError::TimedOut(_)), "{error}");
        let error =
            run("exec >&- 2>&-; exec /bin/sleep 1000", Duration::from_millis(50)).expect_err("it hangs");
        assert!(matches!(error, CompileError::TimedOut(_)), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(500));
    }

    #[test]
    fn a_child_inherits_no_environment() {
        let environment = run("/usr/bin/env", PLENTY).expect("it runs");
        let environment = String::from_utf8_lossy(&environment);
        assert!(!environment.contains("HOME=") && !environment.contains("CARGO"), "{environment}");
    }
}
