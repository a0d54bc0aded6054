//! The twins: two scratch databases of one login role, with the same definitions and the same rows, but other protected
//! values. Made and removed on a server of the operator's, past Grille.
//!
//! The second is a copy of the first before there are rows, so that OIDs are the same in both.

mod definitions;
mod facilities;
mod rows;

use grille_core::ColumnPattern;

use crate::attempt::Facility;
use crate::door::{Door, OpenError};
use crate::session::{Session, SessionError};
use crate::twin::Twin;

pub(crate) use facilities::Missing;

/// How everything here is called, so that what a killed run left behind is recognised.
const PREFIX: &str = "grille_attack_";

/// A column that a rule must name, as `schema.table.column`.
pub type ColumnRule = &'static str;

/// The columns that the attacked role protects. What is computed from them, inherits them or stores them again has no rule.
pub fn protected_columns() -> impl Iterator<Item = ColumnRule> {
    definitions::PROTECTED.into_iter()
}

/// Columns of the twins that are not protected but covered by `patterns`, rules of the operator's own: legitimate statements
/// that read them cannot answer as the server does.
pub fn covered_by_mistake<'p>(patterns: impl IntoIterator<Item = &'p ColumnPattern>) -> Vec<String> {
    let mut covered = Vec::new();
    for pattern in patterns {
        let columns =
            definitions::UNPROTECTED.iter().filter(|(table, column)| pattern.covers("public", table, column));
        covered.extend(columns.map(|(table, column)| format!("public.{table}.{column} by {pattern}")));
    }
    covered
}

/// The twins and their login role.
#[derive(Debug)]
pub struct Scratch {
    login: String,
    missing: Vec<Missing>,
}

/// The twins cannot be made or removed: the server's administrator lacks a right, or the server is gone.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// No session.
    #[error("no session in {database}")]
    Open {
        /// Where.
        database: String,
        /// Why.
        source: OpenError,
    },
    /// A statement failed.
    #[error("cannot {doing}")]
    Statement {
        /// What it was to do.
        doing: String,
        /// Why it did not.
        source: SessionError,
    },
}

impl Scratch {
    /// Names for twins that do not exist yet; `suffix` is lower-case letters and digits that no other run has.
    pub fn named(suffix: &str) -> Self {
        Self { login: format!("{PREFIX}{suffix}"), missing: Vec::new() }
    }

    /// The role that Grille logs in as.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The name of a twin's database.
    pub fn database(&self, twin: Twin) -> String {
        match twin {
            Twin::A => format!("{}_a", self.login),
            Twin::B => format!("{}_b", self.login),
        }
    }

    /// What this server or this administrator could not set up, with the reason.
    pub(crate) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Whether attempts that need it can be made.
    pub(crate) fn offers(&self, facility: Facility) -> bool {
        self.missing.iter().all(|missing| missing.facility != facility)
    }

    /// Makes role and databases. `password` is the role's, of characters that need no quoting; `maintenance` is a database in
    /// which others can be made.
    ///
    /// # Errors
    /// When the server refuses; what was made till then is there until [`Scratch::remove`].
    pub async fn create<D: Door>(
        &mut self,
        admin: &D,
        maintenance: &str,
        password: &str,
    ) -> Result<(), ScratchError> {
        let login = &self.login;
        let (a, b) = (self.database(Twin::A), self.database(Twin::B));
        let mut session = open(admin, maintenance).await?;
        let role = format!(
            "CREATE ROLE {login} LOGIN PASSWORD '{password}' NOSUPERUSER NOCREATEDB NOCREATEROLE; GRANT {login} TO CURRENT_USER"
        );
        run(&mut session, "make the login role", &role).await?;
        run(&mut session, "make the first database", &format!("CREATE DATABASE {a} OWNER {login}")).await?;
        {
            let mut first = open(admin, &a).await?;
            let sql = format!("SET ROLE {login}; {}", definitions::DEFINITIONS);
            run(&mut first, "define the scratch tables", &sql).await?;
        }
        let copy = format!("CREATE DATABASE {b} OWNER {login} TEMPLATE {a}");
        run(&mut session, "copy the first database", &copy).await?;
        for database in [&a, &b] {
            let revoke = format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC");
            run(&mut session, "close the databases to others", &revoke).await?;
        }
        for twin in [Twin::A, Twin::B] {
            let mut session = open(admin, &self.database(twin)).await?;
            let sql = format!("SET ROLE {login}; {}; RESET ROLE", rows::of(twin));
            run(&mut session, "fill the scratch tables", &sql).await?;
            self.missing.extend(facilities::set_up(&mut session, &self.login, password).await);
            run(&mut session, "take statistics", "ANALYZE").await?;
            // So that the files hold what the tables do; not everyone may, and then less is tried by reading files.
            let _flushed = session.run("CHECKPOINT").await;
        }
        Ok(())
    }

    /// Removes what [`Scratch::create`] made, as far as it was made.
    ///
    /// # Errors
    /// The first thing that could not be removed; the rest was tried all the same.
    pub async fn remove<D: Door>(&self, admin: &D, maintenance: &str) -> Result<(), ScratchError> {
        let mut session = open(admin, maintenance).await?;
        let mut result = Ok(());
        for twin in [Twin::B, Twin::A] {
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database(twin));
            result = result.and(run(&mut session, "remove a scratch database", &drop).await);
        }
        // Roles granted to it, and it to others, go with it.
        let drop = format!("DROP ROLE IF EXISTS {}", self.login);
        result.and(run(&mut session, "remove the login role", &drop).await)
    }
}

/// A session that must open.
pub(crate) async fn open<D: Door>(door: &D, database: &str) -> Result<Session<D::Stream>, ScratchError> {
    let failed = |source| ScratchError::Open { database: database.to_owned(), source };
    let opened = door.open(database, &[]).await.map_err(failed)?;
    opened.session.ok_or_else(|| failed(OpenError::Session(SessionError::NoAnswer)))
}

pub(crate) async fn run<S>(session: &mut Session<S>, doing: &str, sql: &str) -> Result<(), ScratchError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let failed = |source| ScratchError::Statement { doing: doing.to_owned(), source };
    session.run(sql).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_whose_they_are() {
        let scratch = Scratch::named("1a2b");
        assert_eq!(scratch.login(), "grille_attack_1a2b");
        assert_eq!(scratch.database(Twin::A), "grille_attack_1a2b_a");
        assert_eq!(scratch.database(Twin::A).len(), scratch.database(Twin::B).len());
    }

    #[test]
    fn every_rule_names_a_column() {
        for rule in protected_columns() {
            let pattern: ColumnPattern = rule.parse().expect("schema.table.column");
            assert!(covered_by_mistake([&pattern]).is_empty(), "{rule} is protected and not protected");
        }
        assert_eq!(protected_columns().count(), definitions::PROTECTED.len());
    }

    #[test]
    fn rules_that_cover_too_much_are_told() {
        let pattern: ColumnPattern = "*.*.title".parse().expect("schema.table.column");
        assert_eq!(
            covered_by_mistake([&pattern]),
            ["public.teams.title by *.*.title", "public.tasks.title by *.*.title"]
        );
    }
}
