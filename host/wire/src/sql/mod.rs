//! SQL analysis: what a client's statements do, read by PostgreSQL's own grammar (libpg_query, the parser of PostgreSQL 18
//! taken out of the server).
//!
//! [`analyze`] parses a message once. Of each statement, `command` says by an exhaustive list what kind it is and what it
//! does as a whole; `walk` goes through every field of its tree and gathers what is mentioned anywhere: relations,
//! functions, columns, writes in CTEs. What the list does not know is refused. [`TextEncoding`] turns a client's bytes
//! into the text that is analysed. [`copies`] reads the options of a COPY over the connection.
//!
//! No catalogue, no name resolution and no value here: names are reported as the statement writes them. Two consequences
//! for callers: a view or a function hides what it does, and `search_path` decides what an unqualified name means.

mod command;
mod copy;
mod depth;
mod encoding;
mod function;
pub mod lineage;
mod name;
mod parse;
mod privilege;
pub mod schema;
mod setting;
mod strings;
mod syntax;
mod text;
mod walk;

#[cfg(test)]
mod tests;

use grille_core::action::feature;
use grille_core::{Access, Action, Effect, Object};
use pg_query::protobuf::RawStmt;

use command::{Command, Inner};
use parse::Size;
use text::{Tokens, Unscannable};
use walk::Mentions;

pub use copy::{CopyFormat, CopyLayout, CopyStream, CsvLayout, TextLayout, UnreadableCopy, copies};
pub use encoding::{EncodingError, TextEncoding};
pub use parse::{STACK_BYTES, declare_large_stack};
pub use privilege::{privilege_to_call, privilege_to_read};
pub use setting::is_harmless_setting;
pub use strings::{Sql, Strings};
pub use syntax::SyntaxError;

/// Most bytes of SQL that can be analysed in one message; callers set limits of their own below it. Text in literals takes
/// some 5 times its length while it is analysed, and 25 ms for 1 MiB; text of nothing but tokens of a byte, which is refused,
/// up to 35 times its length.
pub const SQL_BYTES_MAX: usize = 64 << 20;

/// Most tokens of SQL that are analysed in one message. A token can take 2 KB of parse tree, so this bounds the memory of
/// an analysis to some 400 MB; large ones take turns. An INSERT with as many parameters as the protocol allows (65,535)
/// has some 150,000 tokens.
pub const TOKENS_MAX: usize = 200_000;

/// Longest text that can be brief, see [`Scanned::is_brief`], in bytes.
const BRIEF_BYTES_MAX: usize = 4 << 10;

/// Most bytes of [`Action::text`]; the rest is cut and an ellipsis put in its place.
pub const TEXT_BYTES_MAX: usize = 8 << 10;

/// Why SQL was not understood. Nothing of the message it came in may be sent on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnalyzeError {
    /// The client's fault: PostgreSQL's grammar does not allow it. It can quote the statement, literals included: it is for
    /// the client that wrote it, not for logs.
    #[error("{0}")]
    Syntax(Box<SyntaxError>),
    /// The client's fault: more SQL than is analysed.
    #[error("the SQL is longer than {bytes_max} bytes")]
    TooLong {
        /// The limit it is over, in bytes.
        bytes_max: usize,
    },
    /// The client's fault: more SQL than is analysed.
    #[error("the SQL has more than {TOKENS_MAX} tokens")]
    TooManyTokens,
    /// The client's fault: some thousands of operators, joins or UNIONs one after the other, or sub-selects inside each other,
    /// are the most that is read, about as many as the server's default `max_stack_depth` allows. Chains of AND and of OR
    /// are not nested, however long.
    #[error("the statement is nested too deeply")]
    TooDeep,
    /// The client's fault: a NUL, at which the server would stop reading.
    #[error("the SQL contains a NUL byte")]
    Nul,
    /// A statement that the grammar allows and Grille does not know.
    #[error("this kind of statement is not supported")]
    Unsupported,
    /// Our fault, or the machine's: no thread was to be had, or parser and scanner disagree.
    #[error("the SQL could not be analysed: {reason}")]
    Internal {
        /// What went wrong; tells nothing about the statement.
        reason: &'static str,
    },
}

/// What each statement of `sql` does, in order; nothing for an empty query or one of comments only. Plain literals are
/// standard; for a session in which they are not, see [`Scanned`].
///
/// A pure function of the text. It takes some 20 µs for 100 bytes and up to a second for the most tokens, which is no work for
/// an async worker. Call it on threads that [`declare_large_stack`], or pay for a thread in each call.
///
/// # Errors
/// What is not understood completely is refused, see [`AnalyzeError`].
pub fn analyze(sql: &str) -> Result<Vec<Action>, AnalyzeError> {
    Scanned::new(Sql::standard(sql))?.analyze()
}

/// SQL of which the tokens are known, and so what it takes to understand it.
pub struct Scanned<'s> {
    sql: Sql<'s>,
    tokens: Result<Tokens<'s>, Unscannable>,
    size: Size,
}

impl<'s> Scanned<'s> {
    /// Scans SQL: a tenth of the work of analysing it. Texts over 1 MiB wait for their turn.
    ///
    /// # Errors
    /// The text is too long or has too many tokens, or a NUL is in it. What the scanner has against it is told by
    /// [`Scanned::analyze`].
    pub fn new(sql: Sql<'s>) -> Result<Self, AnalyzeError> {
        readable(sql.text)?;
        let turn = parse::turn(sql.text.len() / parse::LITERAL_BYTES_A_TOKEN);
        let tokens = Tokens::scan(sql);
        let size = match (&tokens, turn) {
            (Ok(tokens), _) if tokens.len() > TOKENS_MAX => return Err(AnalyzeError::TooManyTokens),
            (Ok(tokens), _) => Size::of_tokens(tokens),
            // The parser would tell of an earlier error, but it makes a tree of everything before the one at hand.
            (Err(Unscannable::Error(error)), Some(_)) => return Err(parse::unscannable(sql, error)),
            (Err(_), _) => Size::of_any(sql.text.len()),
        };
        Ok(Self { sql, tokens, size })
    }

    /// Whether it is analysed within some tens of µs, without waiting for others. Else the caller lets others go on meanwhile.
    pub fn is_brief(&self) -> bool {
        self.sql.text.len() <= BRIEF_BYTES_MAX && self.size.is_small()
    }

    /// What each statement does, see [`analyze`].
    ///
    /// # Errors
    /// As [`analyze`].
    pub fn analyze(&self) -> Result<Vec<Action>, AnalyzeError> {
        let Ok(tokens) = &self.tokens else { return Err(parse::error_of(self.sql)) };
        parse::with_tree(self.sql, self.size, |statements| actions(statements, tokens, self.size))
    }
}

/// Whether the parser can be given the text at all.
fn readable(sql: &str) -> Result<(), AnalyzeError> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(AnalyzeError::TooLong { bytes_max: SQL_BYTES_MAX });
    }
    if sql.contains('\0') {
        return Err(AnalyzeError::Nul);
    }
    Ok(())
}

fn actions(statements: &[RawStmt], tokens: &Tokens<'_>, size: Size) -> Result<Vec<Action>, AnalyzeError> {
    let mut actions = Vec::with_capacity(statements.len());
    for statement in statements {
        actions.push(analyze_statement(statement, tokens, size)?);
    }
    if let [_, _, ..] = actions[..] {
        actions.iter_mut().for_each(|action| add_feature(action, feature::MULTIPLE_STATEMENTS));
    }
    Ok(actions)
}

fn analyze_statement(statement: &RawStmt, tokens: &Tokens<'_>, size: Size) -> Result<Action, AnalyzeError> {
    let node = statement.stmt.as_deref().and_then(|node| node.node.as_ref());
    let node = node.ok_or(AnalyzeError::Internal { reason: "a statement has no tree" })?;
    let text = tokens.statement(statement.stmt_location, statement.stmt_len)?;
    action(Command::of(node)?, &text, size)
}

/// The command as an action, together with what is mentioned anywhere in it.
fn action(command: Command<'_>, text: &text::Normal, size: Size) -> Result<Action, AnalyzeError> {
    let mut action = Action {
        kind: command.kind,
        effects: command.effects,
        objects: command.objects,
        features: command.features,
        columns: command.columns,
        text: text.text.clone(),
        fingerprint: text.fingerprint,
        names: command.names,
        inner: None,
        setting: command.setting,
    };
    match command.inner {
        Inner::None(node) => {
            let mentions = walk::walk(node)?;
            // The stack was made for less.
            if mentions.levels > size.levels {
                return Err(AnalyzeError::Internal { reason: "the tree is deeper than its tokens allow" });
            }
            absorb_mentions(&mut action, mentions);
        }
        Inner::Explained(node) => {
            absorb_explained(&mut action, self::action(Command::of(node)?, text, size)?)
        }
        Inner::Runs(node) => absorb(&mut action, self::action(Command::of(node)?, text, size)?),
    }
    if action.objects.iter().any(changes_settings) {
        action.effects |= Effect::SESSION;
        action.features.push(feature::SET_CONFIG);
    }
    tidy(&mut action);
    Ok(action)
}

/// A rule of the server makes UPDATE of the view `pg_settings` a call of `set_config` for each row (manual, "pg_settings").
fn changes_settings(object: &Object) -> bool {
    let name = object.name.strip_prefix("pg_catalog.").unwrap_or(&object.name);
    object.access == Access::Update && name == "pg_settings"
}

fn absorb_mentions(action: &mut Action, mentions: Mentions) {
    if mentions.selects_into && action.kind == "select" {
        "select into".clone_into(&mut action.kind);
    }
    action.effects |= mentions.effects;
    action.objects.extend(mentions.objects);
    action.features.extend(mentions.features);
    action.columns.extend(mentions.columns);
}

/// What runs now or under this name later counts as done by the statement.
fn absorb(action: &mut Action, inner: Action) {
    // An EXECUTE inside another statement: whoever follows names looks at the statement itself only.
    if inner.kind == "execute" {
        action.effects |= Effect::EXECUTE;
    }
    action.effects |= inner.effects;
    action.objects.extend(inner.objects.iter().cloned());
    action.features.extend(inner.features.iter().copied());
    action.columns.extend(inner.columns.iter().cloned());
    action.inner = Some(Box::new(inner));
}

/// EXPLAIN without ANALYZE runs nothing: it reads statistics of the relations, and it does call functions that are declared
/// immutable, to fold constants.
fn absorb_explained(action: &mut Action, inner: Action) {
    action.objects.extend(inner.objects.iter().cloned().map(command::as_explained));
    action
        .features
        .extend(inner.features.iter().copied().filter(|feature| function::FEATURES.contains(feature)));
    action.columns.extend(inner.columns.iter().cloned());
    action.inner = Some(Box::new(inner));
}

fn add_feature(action: &mut Action, feature: &'static str) {
    if let Err(at) = action.features.binary_search(&feature) {
        action.features.insert(at, feature);
    }
}

/// Brings lists into the order and uniqueness that [`Action`] promises.
fn tidy(action: &mut Action) {
    let mut seen = std::collections::HashSet::with_capacity(action.objects.len());
    action.objects.retain(|object| seen.insert(object.clone()));
    action.features.sort_unstable();
    action.features.dedup();
    action.columns.sort_unstable();
    action.columns.dedup();
}
