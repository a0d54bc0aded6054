//! What is wrong with a configuration, and how it is told: `file:line:column: message`. The line's text is not shown, for
//! an operator may have put a secret into it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::at::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The configuration is not used.
    Error,
    /// It is used, but probably does not say what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    severity: Severity,
    span: Option<Span>,
    message: String,
    help: Option<String>,
}

impl Problem {
    /// Something for which the configuration is refused.
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span: Some(span), message: message.into(), help: None }
    }

    /// The same for what stands nowhere in the file, because it is missing or elsewhere.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, span: None, message: message.into(), help: None }
    }

    /// Something that is probably not what was meant.
    pub(crate) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, span: Some(span), message: message.into(), help: None }
    }

    /// Adds what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether the configuration is refused for it.
    pub(crate) fn severity(&self) -> Severity {
        self.severity
    }
}

/// The configuration's text and name, to turn offsets into lines.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    file: PathBuf,
    line_starts: Vec<usize>,
    text: String,
}

impl Source {
    /// Of a file that has been read.
    pub(crate) fn new(file: &Path, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { file: file.to_owned(), line_starts, text: text.to_owned() }
    }

    /// The file's content.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The file's name.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Line and column, both from 1, the column in characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// Problems with the text they are in, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    source: Source,
    list: Vec<Problem>,
}

impl Problems {
    /// Puts the problems in order.
    pub(crate) fn new(source: Source, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        Self { source, list }
    }

    /// The problems, in order.
    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list
    }

    /// Whether any of them is an error.
    pub(crate) fn refuse(&self) -> bool {
        self.list.iter().any(|problem| problem.severity() == Severity::Error)
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            write!(f, "{severity}: {}", self.source.file.display())?;
            if let Some(span) = &problem.span {
                let (line, column) = self.source.position(span.start);
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", problem.message)?;
            if let Some(help) = &problem.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let source = Source::new(Path::new("x"), "ab\nä=ö\n\nlast");
        let check = |offset, expected| assert_eq!(source.position(offset), expected, "{offset}");
        check(0, (1, 1));
        check(1, (1, 2));
        check(3, (2, 1));
        check(6, (2, 3));
        check(9, (3, 1));
        check(10, (4, 1));
        check(14, (4, 5));
        // Past the end or inside a character: no panic, some column.
        check(999, (4, 1));
        check(4, (2, 1));
    }
}
