//! What `grille plugin dev` says: a line for people, or an object for programs, as things happen.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use grille_core::audit::Outcome;
use grille_core::untrusted::clean_text;
use serde::Serialize;

use super::super::text::{counted, grouped};
use super::decisions::Judgement;
use super::slot::Left;
use super::uptake::{Heard, Standing};
use super::workshop::{Flaw, Product, Vectors};
use crate::cli::Output;

/// Longest statement that a line shows, in bytes.
const STATEMENT_BYTES_MAX: usize = 200;

/// Longest other text of somebody else's that a line shows, in bytes.
const TEXT_BYTES_MAX: usize = 300;

/// How many digits of a digest a line shows.
const DIGEST_DIGITS: usize = 12;

/// Something happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum News {
    /// It begins.
    Watching { folder: PathBuf, slot: String, file: PathBuf },
    /// The sources are being built.
    Building,
    /// They do not build.
    NotBuilt { message: String },
    /// They build, and what came of it is not put into the slot.
    NotGood { problems: Vec<String> },
    /// They build, and what came of it is good.
    Built {
        id: String,
        version: String,
        digest: String,
        size: usize,
        seconds: f64,
        vectors: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        vectors_not_run: Option<String>,
        #[serde(skip_serializing_if = "String::is_empty")]
        notes: String,
        swap: Swap,
    },
    /// What the running Grille makes of it.
    Standing {
        digest: String,
        #[serde(flatten)]
        standing: Standing,
    },
    /// The running Grille does not answer.
    NoAnswer { message: String },
    /// An exchange in which the plugin had a say.
    Judged(Judgement),
    /// It ends.
    Left { file: PathBuf, left: LeftWord },
}

/// Whether the slot's file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Swap {
    /// It is another component than before.
    Written,
    /// It is the same.
    Same,
}

/// [`Left`] as programs read it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LeftWord {
    Untouched,
    Restored,
    Kept,
    Foreign,
}

impl News {
    pub(super) fn of_product(product: &Product, swap: Swap) -> Self {
        let (vectors, vectors_not_run) = match &product.vectors {
            Vectors::Hold(count) => (Some(*count), None),
            Vectors::NotRun(why) => (None, Some(why.clone())),
        };
        Self::Built {
            id: product.id.clone(),
            version: product.version.clone(),
            digest: product.digest.clone(),
            size: product.component.len(),
            seconds: product.took.as_secs_f64(),
            vectors,
            vectors_not_run,
            notes: product.notes.clone(),
            swap,
        }
    }

    pub(super) fn of_flaw(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Build(message) => Self::NotBuilt { message },
            Flaw::Check(problems) => Self::NotGood { problems },
        }
    }
}

impl From<Heard> for News {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Standing { digest, standing } => Self::Standing { digest, standing },
            Heard::Silence(message) => Self::NoAnswer { message },
        }
    }
}

impl From<Left> for LeftWord {
    fn from(left: Left) -> Self {
        match left {
            Left::Untouched => Self::Untouched,
            Left::Restored => Self::Restored,
            Left::Kept => Self::Kept,
            Left::Foreign => Self::Foreign,
        }
    }
}

/// Says it on standard output at once, whoever reads along.
///
/// # Errors
/// When nobody reads any more.
pub(super) fn say(news: &News, output: Output) -> io::Result<()> {
    let line = match output {
        Output::Table => news.to_string(),
        Output::Json => serde_json::to_string(news).map_err(io::Error::other)?,
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watching { folder, slot, file } => {
                let (folder, file) = (folder.display(), file.display());
                write!(f, "watching {folder}; builds go to `{slot}` ({file}); Ctrl-C ends it")
            }
            Self::Building => f.write_str("building"),
            Self::NotBuilt { message } => {
                write!(f, "{}\nnot built: the slot is as it was", message.trim_end())
            }
            Self::NotGood { problems } => {
                write!(f, "{}\nnot good: the slot is as it was", problems.join("\n"))
            }
            Self::Built { .. } => self.fmt_built(f),
            Self::Standing { digest, standing } => write!(f, "{} {standing}", short(digest)),
            Self::NoAnswer { message } => write!(f, "{message}"),
            Self::Judged(judgement) => fmt_judgement(judgement, f),
            Self::Left { file, left } => {
                let said = match left {
                    LeftWord::Untouched => "was not touched",
                    LeftWord::Restored => "is what it was before",
                    LeftWord::Kept => "is the last build",
                    LeftWord::Foreign => "was written by somebody else meanwhile, and stays so",
                };
                write!(f, "{} {said}", file.display())
            }
        }
    }
}

impl News {
    fn fmt_built(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Built { id, version, digest, size, seconds, vectors, vectors_not_run, notes, swap } = self
        else {
            return Ok(());
        };
        if !notes.is_empty() {
            writeln!(f, "{}", notes.trim_end())?;
        }
        write!(f, "built in {seconds:.1} s: {id} {version}, {} bytes, {}; ", grouped(*size), short(digest))?;
        match (vectors, vectors_not_run) {
            (Some(count), _) => write!(f, "{} hold", counted(*count, "vector"))?,
            (None, why) => write!(f, "vectors not run: {}", why.as_deref().unwrap_or_default())?,
        }
        match swap {
            Swap::Written => Ok(()),
            Swap::Same => f.write_str("; the same as before"),
        }
    }
}

fn fmt_judgement(one: &Judgement, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // Hours, minutes and seconds of RFC 3339.
    let time = one.at.get(11..19).unwrap_or(&one.at);
    let name = |name: &Option<String>| name.as_deref().map_or_else(|| "?".to_owned(), text);
    let (principal, role) = (name(&one.principal), name(&one.role));
    write!(f, "{time}  {principal}  {role}  {:<7}  ", one.verdict)?;
    if !one.reasons.is_empty() {
        write!(f, "{}: ", text(&one.reasons.join("; ")))?;
    }
    f.write_str(&clean_text(&one.statements.join("; "), STATEMENT_BYTES_MAX))?;
    match one.outcome {
        None | Some(Outcome::Completed | Outcome::Suspended) => {}
        Some(Outcome::Failed | Outcome::Skipped | Outcome::Stopped | Outcome::Lost) => {
            f.write_str("  (not to its end)")?
        }
    }
    if !one.treated.is_empty() {
        let treated: Vec<String> =
            one.treated.iter().map(|(label, count)| format!("{label} {count}")).collect();
        write!(f, "  treated {}", text(&treated.join(", ")))?;
    }
    write!(f, "  [{}]", short(&one.digest))
}

fn text(text: &str) -> String {
    clean_text(text, TEXT_BYTES_MAX)
}

/// A digest's beginning.
fn short(digest: &str) -> String {
    format!("sha256:{}", digest.get(..DIGEST_DIGITS).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn judgement() -> Judgement {
        Judgement {
            at: "2026-11-23T10:31:07.123456Z".to_owned(),
            session: "s".to_owned(),
            exchange: 4,
            principal: Some("ada".to_owned()),
            role: Some("analyst".to_owned()),
            verdict: "deny".to_owned(),
            reasons: vec!["plugin mine: orders may only be read".to_owned()],
            statements: vec!["UPDATE orders SET price = $1".to_owned()],
            digest: "0123456789abcdef".repeat(4),
            generation: 3,
            outcome: None,
            treated: BTreeMap::new(),
        }
    }

    #[test]
    fn a_decision_is_one_line() {
        let check = |change: fn(&mut Judgement), expected: &str| {
            let mut one = judgement();
            change(&mut one);
            assert_eq!(News::Judged(one).to_string(), expected);
        };
        let denied = "10:31:07  ada  analyst  deny     plugin mine: orders may only be read: \
                      UPDATE orders SET price = $1  [sha256:0123456789ab]";
        check(|_| {}, denied);
        let allowed = "10:31:07  ?  ?  allow    UPDATE orders SET price = $1  [sha256:0123456789ab]";
        check(
            |one| {
                (one.principal, one.role) = (None, None);
                one.verdict = "allow".to_owned();
                one.reasons.clear();
            },
            allowed,
        );
        let found =
            "10:31:07  ada  analyst  allow    SELECT 1  treated TICKET_NUMBER 2  [sha256:0123456789ab]";
        check(
            |one| {
                one.verdict = "allow".to_owned();
                one.reasons.clear();
                one.statements = vec!["SELECT 1".to_owned()];
                one.outcome = Some(Outcome::Completed);
                one.treated = [("TICKET_NUMBER".to_owned(), 2)].into();
            },
            found,
        );
    }

    #[test]
    fn foreign_text_does_not_steer_the_terminal() {
        let mut one = judgement();
        one.principal = Some("a\u{1b}[2Jb".to_owned());
        one.statements = vec!["SELECT\n1".to_owned()];
        let line = News::Judged(one).to_string();
        assert!(!line.contains('\u{1b}') && !line.contains('\n'), "{line:?}");
    }

    #[test]
    fn programs_get_an_object_with_its_event() {
        let told = json!(News::Judged(judgement()));
        assert_eq!((&told["event"], &told["exchange"]), (&json!("judged"), &json!(4)));
        let told = json!(News::of_flaw(Flaw::Build("no".to_owned())));
        assert_eq!(told, json!({"event": "not-built", "message": "no"}));
    }
}
