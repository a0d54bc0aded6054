//! How a command ends when it does not succeed, and the exit status that says so.

use std::fmt;
use std::process::ExitCode;

use crate::config::Problems;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is not right.
    Configuration(Problems),
    /// What was asked for on the command line cannot be.
    Usage(anyhow::Error),
    /// Something else went wrong.
    Other(anyhow::Error),
    /// What was done found something wrong and has told it already.
    Told,
    /// What was compared differs, which has been told.
    Differs,
}

impl Failure {
    /// Says on standard error what went wrong.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Told | Self::Differs => {}
            Self::Configuration(_) | Self::Usage(_) | Self::Other(_) => eprintln!("{self}"),
        }
        match self {
            Self::Configuration(_) | Self::Usage(_) => ExitCode::from(2),
            Self::Other(_) | Self::Told => ExitCode::FAILURE,
            Self::Differs => ExitCode::from(3),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(problems) => write!(f, "{problems}"),
            Self::Usage(error) | Self::Other(error) => write!(f, "error: {error:#}"),
            Self::Told | Self::Differs => Ok(()),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}
