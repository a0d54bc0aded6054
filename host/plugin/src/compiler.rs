//! Turning WebAssembly into machine code, in a process of its own that has little to lose.
//!
//! A component is hostile input to a large compiler, and to what rewrites it for snapshots. The child gets it on standard
//! input, gives machine code on standard output, has limits on memory, time and files, inherits no environment, and is killed when it takes too long.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use crate::failure::host_text;
use crate::limits::{
    ARTEFACT_BYTES_MAX, COMPILE_ADDRESS_SPACE_MAX, COMPILE_CPU_SECONDS_MAX, COMPILE_INPUT_BYTES_MAX,
    COMPILE_NICENESS, COMPILE_STDERR_BYTES_MAX, COMPILE_TIME_MAX,
};
use crate::snapshot::{self, State};
use crate::untrusted::clean_text;
use crate::wasm_config::{self, Metering};

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
    /// Compiles; [`artefact_parts`] takes the answer apart.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        metering: Metering,
        request: &Request<'_>,
    ) -> Result<Vec<u8>, CompileError> {
        match self {
            Self::InProcess => request.artefact(engine),
            Self::Child { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments);
                compile_in_child(command, &encode(metering, request), COMPILE_TIME_MAX)
            }
        }
    }
}

/// What the child reads: how the code is to be made, in a byte, and the request.
fn encode(metering: Metering, request: &Request<'_>) -> Vec<u8> {
    let metering = match metering {
        Metering::Off => 0,
        Metering::Fuel => 1,
    };
    [&[metering], &request.encode()[..]].concat()
}

fn decode(input: &[u8]) -> Option<(Metering, Request<'_>)> {
    let (metering, request) = input.split_first()?;
    let metering = match metering {
        0 => Metering::Off,
        1 => Metering::Fuel,
        _ => return None,
    };
    Some((metering, Request::decode(request)?))
}

/// What is to be compiled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// A component, as its author built it.
    pub(crate) component: &'a [u8],
    /// What its memories and globals begin with. Without, it begins as it does, and is made to let them be read.
    pub(crate) state: Option<Cow<'a, State>>,
}

impl<'a> Request<'a> {
    /// The length of the component in 8 bytes, the component, and the state if there is one.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = (self.component.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(self.component);
        if let Some(state) = &self.state {
            state.encode(&mut bytes);
        }
        bytes
    }

    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (component, state) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let state = if state.is_empty() { None } else { Some(Cow::Owned(State::decode(state)?)) };
        Some(Self { component, state })
    }

    fn artefact(&self, engine: &wasmtime::Engine) -> Result<Vec<u8>, CompileError> {
        match &self.state {
            None => compile_readable(engine, self.component),
            Some(state) => {
                let component = snapshot::rewrite(self.component, state)
                    .map_err(|error| CompileError::Invalid(error.to_string()))?;
                Ok(artefact("", &precompile(engine, &component)?))
            }
        }
    }
}

/// Compiles a component so that its state can be read, or as it is where that is not possible.
fn compile_readable(engine: &wasmtime::Engine, component: &[u8]) -> Result<Vec<u8>, CompileError> {
    // Before Wizer sees it, which allows more proposals than it knows how to treat.
    wasm_config::validate(component).map_err(|error| CompileError::Invalid(error.to_string()))?;
    let reason = match snapshot::instrument(component) {
        Ok(readable) => match precompile(engine, &readable) {
            Ok(code) => return Ok(artefact("", &code)),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    Ok(artefact(&reason, &precompile(engine, component)?))
}

fn precompile(engine: &wasmtime::Engine, component: &[u8]) -> Result<Vec<u8>, CompileError> {
    engine.precompile_component(component).map_err(|error| CompileError::Invalid(host_text(&error)))
}

/// What the compiler gives, and what is kept on disk: why there can be no snapshot of the component, empty where there can,
/// after its length in two bytes; then machine code.
fn artefact(no_snapshot: &str, code: &[u8]) -> Vec<u8> {
    let reason = clean_text(no_snapshot, REASON_BYTES_MAX);
    let length = u16::try_from(reason.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&length, reason.as_bytes(), code].concat()
}

/// The two parts of an artefact; `None` when it is none.
pub(crate) fn artefact_parts(artefact: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = artefact.split_first_chunk()?;
    let (reason, code) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((clean_text(&String::from_utf8_lossy(reason), REASON_BYTES_MAX), code))
}

/// Longest reason why there is no snapshot, in bytes.
const REASON_BYTES_MAX: usize = 400;

fn compile_in_child(mut command: Command, input: &[u8], time_max: Duration) -> Result<Vec<u8>, CompileError> {
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
        scope.spawn(move || drop(stdin.write_all(input)));
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
    let input = read_at_most(io::stdin().lock(), COMPILE_INPUT_BYTES_MAX);
    if input.len() > COMPILE_INPUT_BYTES_MAX {
        return Err(CompileError::Invalid("the component is too large".to_owned()));
    }
    let (metering, request) =
        decode(&input).ok_or_else(|| CompileError::Invalid("this is no request to compile".to_owned()))?;
    let engine =
        wasm_config::compiling_engine(metering).map_err(|error| CompileError::Invalid(host_text(&error)))?;
    let artefact = request.artefact(&engine)?;
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
    // Threads that are started from here on have it too. Where a sandbox forbids it, compiling is still right.
    let _ = nice(COMPILE_NICENESS);
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
    fn a_request_survives_the_way_to_the_child() {
        let check = |state: Option<State>| {
            let request = Request { component: b"\0asm", state: state.map(Cow::Owned) };
            for metering in [Metering::Off, Metering::Fuel] {
                let input = encode(metering, &request);
                let (read_metering, read) = decode(&input).expect("what was encoded");
                assert_eq!((read_metering, &read), (metering, &request));
            }
        };
        check(None);
        let bytes = [0, 1, 0, 0, 0, b'g', 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        check(Some(State::decode(&bytes).expect("one value")));
        let whole = encode(Metering::Off, &Request { component: b"\0asm", state: None });
        (0..whole.len()).for_each(|cut| assert_eq!(decode(&whole[..cut]), None, "{cut}"));
        assert_eq!(decode(&[&whole[..], b"x"].concat()), None, "a state that is none");
        assert_eq!(decode(&[&[2], &whole[1..]].concat()), None, "a way of compiling that there is not");
    }

    #[test]
    fn an_artefact_is_a_reason_and_code() {
        let check = |reason: &str, expected: &str| {
            let artefact = artefact(reason, b"code");
            assert_eq!(artefact_parts(&artefact), Some((expected.to_owned(), &b"code"[..])));
        };
        check("", "");
        check("it has tables", "it has tables");
        check("a\nb", "a b");
        assert!(artefact_parts(b"").is_none() && artefact_parts(&[9, 0, 1]).is_none());
    }

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
