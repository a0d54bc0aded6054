//! What an attempt is: a script of messages, where it stands among the known ways round a gateway, and what would permit
//! it. The attempts themselves are in [`crate::catalogue`].

use grille_core::{Privilege, Role, RowShaping};

use crate::message::Frontend;

/// Ways round a gateway, as `docs/how-to/attack.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// Comments, quoting, encodings: a text that two readers understand differently.
    Reading,
    /// Several statements in one message.
    ManyStatements,
    /// Messages that are malformed, or longer than they say.
    Malformed,
    /// Other names for a column.
    Alias,
    /// Functions, casts, CASE, subqueries, CTEs, set operations, windows, views.
    Computed,
    /// Whole rows, composites, JSON of rows.
    WholeRow,
    /// What comes back, how much, in which order, or whether it fails.
    Probing,
    /// PREPARE, cursors, portals, row limits.
    Prepared,
    /// Values in binary.
    Binary,
    /// COPY in every form.
    Copy,
    /// Writes in CTEs, MERGE, EXPLAIN ANALYZE, SELECT INTO.
    HiddenWrite,
    /// DO, CALL, functions, triggers.
    Procedure,
    /// Copies in places without protection.
    Laundering,
    /// Errors, notices, notifications, parameters.
    Message,
    /// Who runs the statement and how names resolve.
    Identity,
    /// Large objects, other servers, files, statistics.
    OtherStore,
    /// The FunctionCall message.
    FunctionCall,
    /// What comes before and beside a session.
    Transport,
}

impl Row {
    /// All of them, in the order in which they are told.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 18] = [
        Self::Reading,
        Self::ManyStatements,
        Self::Malformed,
        Self::Alias,
        Self::Computed,
        Self::WholeRow,
        Self::Probing,
        Self::Prepared,
        Self::Binary,
        Self::Copy,
        Self::HiddenWrite,
        Self::Procedure,
        Self::Laundering,
        Self::Message,
        Self::Identity,
        Self::OtherStore,
        Self::FunctionCall,
        Self::Transport,
    ];

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::ManyStatements => "many-statements",
            Self::Malformed => "malformed",
            Self::Alias => "alias",
            Self::Computed => "computed",
            Self::WholeRow => "whole-row",
            Self::Probing => "probing",
            Self::Prepared => "prepared",
            Self::Binary => "binary",
            Self::Copy => "copy",
            Self::HiddenWrite => "hidden-write",
            Self::Procedure => "procedure",
            Self::Laundering => "laundering",
            Self::Message => "message",
            Self::Identity => "identity",
            Self::OtherStore => "other-store",
            Self::FunctionCall => "function-call",
            Self::Transport => "transport",
        }
    }
}

/// How a statement reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a Query message.
    Simple,
    /// By Parse, Bind and Execute, results in text.
    Extended,
    /// The same, results in binary.
    Binary,
    /// As the query of `COPY (…) TO STDOUT`.
    Copy,
    /// By messages of the attempt's own.
    Script,
}

impl Way {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Binary => "binary",
            Self::Copy => "copy",
            Self::Script => "script",
        }
    }
}

/// What the scratch databases must offer. Not every server and not every administrator can set up all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// Tables, views, functions: always there.
    Tables,
    /// MERGE (PostgreSQL 15).
    Merge,
    /// MERGE … RETURNING, and `old` and `new` in RETURNING (PostgreSQL 18).
    ReturningOld,
    /// SQL/JSON constructors and JSON_TABLE (PostgreSQL 17).
    JsonTable,
    /// Rights on `pg_largeobject` and on the functions behind it.
    LargeObjects,
    /// Rights on the server's files.
    ServerFiles,
    /// Rights to start programs on the server.
    Programs,
    /// The extension `dblink` and a server that reaches itself.
    Dblink,
    /// The extension `postgres_fdw` and a server that reaches itself.
    ForeignTables,
    /// Membership in `pg_read_all_stats`, and statistics of the tables.
    Statistics,
    /// Membership in another role.
    OtherRole,
}

impl Facility {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Tables,
        Self::Merge,
        Self::ReturningOld,
        Self::JsonTable,
        Self::LargeObjects,
        Self::ServerFiles,
        Self::Programs,
        Self::Dblink,
        Self::ForeignTables,
        Self::Statistics,
        Self::OtherRole,
    ];

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Merge => "MERGE",
            Self::ReturningOld => "RETURNING old",
            Self::JsonTable => "JSON_TABLE",
            Self::LargeObjects => "large objects",
            Self::ServerFiles => "server files",
            Self::Programs => "server programs",
            Self::Dblink => "dblink",
            Self::ForeignTables => "foreign tables",
            Self::Statistics => "statistics",
            Self::OtherRole => "another role",
        }
    }
}

/// What an operator may grant a role that makes the attempt no leak but a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Nothing does.
    Never,
    /// `row_shaping`, at least this wide.
    RowShaping(RowShaping),
    /// All of these privileges together.
    Privilege(Privilege),
}

/// One message script within an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Messages on the attempt's session; read up to the ReadyForQuery of the last one that has one.
    Send(&'static [Frontend]),
    /// The same on a second session, opened when it is first needed.
    Beside(&'static [Frontend]),
    /// A Query with COPY … FROM STDIN, and what is copied.
    CopyIn {
        /// The statement.
        sql: &'static str,
        /// The data.
        data: &'static str,
    },
    /// A new first session with these startup parameters.
    Reopen(&'static [(&'static str, &'static str)]),
}

/// What an attempt, or a legitimate client, does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Play {
    /// One statement that COPY can take as its query.
    Query(&'static str),
    /// One statement that it cannot.
    Statement(&'static str),
    /// Anything.
    Script(&'static [Step]),
}

impl Play {
    /// The ways it is tried in.
    pub(crate) fn ways(self) -> &'static [Way] {
        match self {
            Self::Query(_) => &[Way::Simple, Way::Extended, Way::Binary, Way::Copy],
            Self::Statement(_) => &[Way::Simple, Way::Extended, Way::Binary],
            Self::Script(_) => &[Way::Script],
        }
    }
}

/// A try to get at a protected value.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Unique, in lower case with hyphens.
    pub name: &'static str,
    /// Why it leaks when nothing stops it.
    pub why: &'static str,
    pub(crate) play: Play,
    /// What must be there for it.
    pub needs: Facility,
    /// What permits it.
    pub opened_by: Grant,
    /// Statements that remove what it left, run past Grille.
    pub(crate) cleanup: &'static str,
}

impl Attempt {
    /// A query, in all ways.
    pub(crate) const fn query(name: &'static str, why: &'static str, sql: &'static str) -> Self {
        Self::new(name, why, Play::Query(sql))
    }

    /// A statement that is no query for COPY.
    pub(crate) const fn statement(name: &'static str, why: &'static str, sql: &'static str) -> Self {
        Self::new(name, why, Play::Statement(sql))
    }

    /// Messages of its own.
    pub(crate) const fn script(name: &'static str, why: &'static str, steps: &'static [Step]) -> Self {
        Self::new(name, why, Play::Script(steps))
    }

    const fn new(name: &'static str, why: &'static str, play: Play) -> Self {
        Self { name, why, play, needs: Facility::Tables, opened_by: Grant::Never, cleanup: "" }
    }

    /// The same where it needs more than tables.
    pub(crate) const fn needs(self, needs: Facility) -> Self {
        Self { needs, ..self }
    }

    /// The same where a `row_shaping` permits it.
    pub(crate) const fn shapes(self, at_least: RowShaping) -> Self {
        Self { opened_by: Grant::RowShaping(at_least), ..self }
    }

    /// The same where privileges permit it.
    pub(crate) const fn privileged(self, privileges: Privilege) -> Self {
        Self { opened_by: Grant::Privilege(privileges), ..self }
    }

    /// The same with something to remove afterwards.
    pub(crate) const fn cleanup(self, sql: &'static str) -> Self {
        Self { cleanup: sql, ..self }
    }

    /// Whether the operator allows the role what the attempt does.
    pub(crate) fn is_granted(&self, role: &Role) -> bool {
        match self.opened_by {
            Grant::Never => false,
            Grant::RowShaping(at_least) => width(role.row_shaping) >= width(at_least),
            Grant::Privilege(privileges) => role.privileges.contains(privileges),
        }
    }
}

fn width(shaping: RowShaping) -> u8 {
    match shaping {
        RowShaping::Refuse => 0,
        RowShaping::Equality => 1,
        RowShaping::Allow => 2,
    }
}

/// Attempts at one way round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) row: Row,
    pub(crate) attempts: &'static [Attempt],
}

/// What a client does that has nothing to do with protected values, and must work as it does without Grille.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Legitimate {
    /// Unique, in lower case with hyphens.
    pub(crate) name: &'static str,
    pub(crate) play: Play,
    pub(crate) needs: Facility,
    /// Statements that undo it, run past Grille.
    pub(crate) cleanup: &'static str,
}

impl Legitimate {
    /// A query, in all ways.
    pub(crate) const fn query(name: &'static str, sql: &'static str) -> Self {
        Self { name, play: Play::Query(sql), needs: Facility::Tables, cleanup: "" }
    }

    /// A statement that is no query for COPY.
    pub(crate) const fn statement(name: &'static str, sql: &'static str) -> Self {
        Self { name, play: Play::Statement(sql), needs: Facility::Tables, cleanup: "" }
    }

    /// Messages of its own.
    pub(crate) const fn script(name: &'static str, steps: &'static [Step]) -> Self {
        Self { name, play: Play::Script(steps), needs: Facility::Tables, cleanup: "" }
    }

    /// The same where it needs more than tables.
    pub(crate) const fn needs(self, needs: Facility) -> Self {
        Self { needs, ..self }
    }

    /// The same with something to undo afterwards.
    pub(crate) const fn cleanup(self, sql: &'static str) -> Self {
        Self { cleanup: sql, ..self }
    }
}
