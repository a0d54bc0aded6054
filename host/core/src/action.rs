//! What the host parsed out of a request: the input of every judgement. Plugins never parse SQL.

use std::fmt;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// Everything a statement does, in CTEs, in EXPLAIN ANALYZE and in rules it names included. The set decides whether a
    /// role may run it, not the first word.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Effect: u32 {
        /// Reads rows, or evaluates expressions.
        const READ = 1 << 0;
        /// Adds rows.
        const INSERT = 1 << 1;
        /// Changes rows.
        const UPDATE = 1 << 2;
        /// Removes rows (TRUNCATE too).
        const DELETE = 1 << 3;
        /// Creates, alters or drops objects.
        const DEFINE = 1 << 4;
        /// Changes who may do what: GRANT, REVOKE, roles, ownership, security labels.
        const GRANT = 1 << 5;
        /// Begins, ends or marks a transaction.
        const TRANSACTION = 1 << 6;
        /// Changes or shows the session: SET, RESET, SHOW, DISCARD, PREPARE, DEALLOCATE, cursors.
        const SESSION = 1 << 7;
        /// Server upkeep: VACUUM, ANALYZE, REINDEX, CHECKPOINT, CLUSTER, ALTER SYSTEM, LOAD.
        const MAINTAIN = 1 << 8;
        /// Runs code we cannot see into: DO, CALL, EXECUTE of an unknown statement.
        const EXECUTE = 1 << 9;
        /// Bulk transfer by COPY.
        const COPY = 1 << 10;
        /// LISTEN, NOTIFY, UNLISTEN.
        const NOTIFY = 1 << 11;
        /// Explicit locks: LOCK, SELECT … FOR UPDATE.
        const LOCK = 1 << 12;
    }
}

impl Effect {
    /// The effects as words, in the order of the bits: what plugins and audit records see.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        self.iter().filter_map(|effect| {
            EFFECT_WORDS.iter().find(|(known, _)| *known == effect).map(|(_, word)| *word)
        })
    }

    /// The effect a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        EFFECT_WORDS.iter().find(|(_, known)| *known == word).map(|(effect, _)| *effect)
    }
}

/// Each effect and its word.
pub const EFFECT_WORDS: [(Effect, &str); 13] = [
    (Effect::READ, "read"),
    (Effect::INSERT, "insert"),
    (Effect::UPDATE, "update"),
    (Effect::DELETE, "delete"),
    (Effect::DEFINE, "define"),
    (Effect::GRANT, "grant"),
    (Effect::TRANSACTION, "transaction"),
    (Effect::SESSION, "session"),
    (Effect::MAINTAIN, "maintain"),
    (Effect::EXECUTE, "execute"),
    (Effect::COPY, "copy"),
    (Effect::NOTIFY, "notify"),
    (Effect::LOCK, "lock"),
];

impl Serialize for Effect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

/// One statement, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The command in lower case, as in the server's command tag: `select`, `drop table`, `begin`.
    pub kind: String,
    /// Everything it does.
    pub effects: Effect,
    /// What it touches, without repeats, in order of first mention.
    pub objects: Vec<Object>,
    /// Noteworthy things about it, from [`feature`], sorted.
    pub features: Vec<&'static str>,
    /// Column names the statement mentions anywhere, folded, sorted, without qualification; `*` if it mentions a whole row.
    pub columns: Vec<String>,
    /// The statement with its literals replaced by parameters; safe to log.
    pub text: String,
    /// Equal for statements that differ in literals only.
    pub fingerprint: u64,
    /// The name that PREPARE, EXECUTE or DEALLOCATE gives, or a cursor's name; none for DEALLOCATE ALL and CLOSE ALL.
    pub names: Option<String>,
    /// For PREPARE and DECLARE: what will run later under [`Action::names`]. For EXPLAIN: what is explained.
    pub inner: Option<Box<Action>>,
    /// For SET and RESET: the parameter's name in lower case; `*` for RESET ALL and DISCARD ALL.
    pub setting: Option<String>,
}

impl Action {
    /// Whether the statement has the feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.contains(&feature)
    }
}

/// Words for [`Action::features`]. The list grows; a plugin ignores words it does not know.
pub mod feature {
    /// UPDATE or DELETE without WHERE.
    pub const NO_WHERE: &str = "no-where";
    /// UPDATE or DELETE whose WHERE mentions no column, such as `WHERE true` or `WHERE 1 = 1`.
    pub const CONSTANT_WHERE: &str = "constant-where";
    /// `COPY … PROGRAM`.
    pub const COPY_PROGRAM: &str = "copy-program";
    /// COPY from or to a file of the server.
    pub const COPY_FILE: &str = "copy-file";
    /// COPY over the connection.
    pub const COPY_STREAM: &str = "copy-stream";
    /// `… CASCADE`.
    pub const CASCADE: &str = "cascade";
    /// `SELECT … INTO` or `CREATE TABLE … AS`.
    pub const SELECT_INTO: &str = "select-into";
    /// A write inside a CTE.
    pub const CTE_WRITE: &str = "cte-write";
    /// EXPLAIN ANALYZE, which runs what it explains.
    pub const EXPLAIN_ANALYZE: &str = "explain-analyze";
    /// A statement in one message with others.
    pub const MULTIPLE_STATEMENTS: &str = "multiple-statements";
    /// Calls a function of the server that reaches files, other servers or large objects.
    pub const DANGEROUS_FUNCTION: &str = "dangerous-function";
    /// It was no SQL but the protocol's FunctionCall message, which names a function by number.
    pub const FUNCTION_CALL: &str = "function-call";
    /// Calls `set_config`, or updates `pg_settings`, which does the same.
    pub const SET_CONFIG: &str = "set-config";
    /// Makes a temporary relation: the statement's own session is the only one that sees it.
    pub const TEMPORARY: &str = "temporary";
    /// Changes the role: SET ROLE, SET SESSION AUTHORIZATION.
    pub const SET_ROLE: &str = "set-role";
    /// A procedural block or call: DO, CALL.
    pub const PROCEDURAL: &str = "procedural";
    /// Changes tables' data wholesale: TRUNCATE.
    pub const TRUNCATE: &str = "truncate";
}

/// Something a statement touches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name as the statement gives it, folded as the server folds it: `users`, `public.users`.
    pub name: String,
    /// What is done to it.
    pub access: Access,
}

/// Makes a closed enum whose variants have words.
macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// The word used in WIT, configuration and audit records.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

word_enum! {
    /// The kinds of things statements touch.
    ObjectKind {
        /// A table, view, materialised view, foreign table, sequence or index.
        Relation = "relation",
        /// A function, procedure or aggregate.
        Function = "function",
        /// A schema.
        Schema = "schema",
        /// A database.
        Database = "database",
        /// A role or user.
        Role = "role",
        /// A type or domain.
        Type = "type",
        /// An extension.
        Extension = "extension",
        /// A run-time parameter.
        Setting = "setting",
        /// A notification channel.
        Channel = "channel",
        /// Anything else that can be defined or dropped.
        Other = "other",
    }
}

word_enum! {
    /// What is done to an object.
    Access {
        /// Read.
        Read = "read",
        /// Rows added.
        Insert = "insert",
        /// Rows changed.
        Update = "update",
        /// Rows removed.
        Delete = "delete",
        /// All rows removed.
        Truncate = "truncate",
        /// Created or altered.
        Define = "define",
        /// Dropped.
        Drop = "drop",
        /// Permissions changed.
        Grant = "grant",
        /// Called.
        Call = "call",
        /// Locked.
        Lock = "lock",
        /// A parameter set.
        Set = "set",
    }
}
