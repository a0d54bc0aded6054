//! Reads the repository as text and judges its shape: which crate and which module may name what.
//!
//! Rules are pure functions from sources to violations, so that a test can show each of them a planted one. Nothing here
//! builds or runs what it reads.
#![forbid(unsafe_code)]

pub mod crates;
pub mod modules;
pub mod repository;
pub mod rules;
pub mod syntax;

use std::fmt;

/// One place where a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The file, from the repository's root.
    pub path: String,
    /// Line from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Violation {
    /// About a line of a file.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// For a test: fails with the rule and every place where it does not hold.
///
/// # Panics
/// When there is a violation.
pub fn assert_none(rule: &str, violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(|violation| format!("\n  {violation}")).collect();
    assert!(violations.is_empty(), "{rule}{}", lines.concat());
}
