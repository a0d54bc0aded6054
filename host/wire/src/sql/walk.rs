//! What is mentioned anywhere in a statement, however deep: relations, functions, columns, writes, locks.
//!
//! The walk is structural: it goes through every field of every node, as the tree types serialise themselves, and knows by
//! name the few kinds of node that mean something. A field that nobody thought of is visited all the same, and an unknown
//! kind of node hides nothing that is inside it. What a statement is as a whole is `command`'s business.

mod role;
mod scope;
mod visit;

use std::collections::HashSet;

use grille_core::action::feature;
use grille_core::{Access, Effect, Object, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{CmdType, DropBehavior, OnConflictAction, RawStmt};
use serde::Serialize;

use super::{AnalyzeError, function, name, setting};
use role::Role;
use scope::{Relation, Scope};

/// Most relations that are handed from inner queries to those around them, each counted once a query: a query with WITH or
/// a lock looks at all those inside it.
const HANDED_ON_MAX: usize = 1_000_000;

/// Above a statement's node in a parser's result: the result, the statement, the node's wrapper.
const LEVELS_ABOVE: usize = 3;

/// Longest name of a setting that is looked at in a call.
const SETTING_BYTES_MAX: usize = 64;

/// What a call sets that does not plainly say so.
const ANY_SETTING: &str = "*";

/// What the parser writes at a relation that is to be made for the session only (`RELPERSISTENCE_TEMP`,
/// src/include/catalog/pg_class.h).
const TEMPORARY: &str = "t";

/// Names of a whole row that no FROM introduces: in RETURNING, in ON CONFLICT and in rules.
const ROW_NAMES: [&str; 3] = ["excluded", "new", "old"];

/// What a statement mentions.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    /// What the queries and writes in it do.
    pub(crate) effects: Effect,
    /// Relations and functions, by their place in the text.
    pub(crate) objects: Vec<Object>,
    /// Unsorted, with repeats.
    pub(crate) features: Vec<&'static str>,
    /// Unsorted, with repeats; `*` for whole rows.
    pub(crate) columns: Vec<String>,
    /// It has a SELECT … INTO.
    pub(crate) selects_into: bool,
    /// How many levels its tree has at least.
    pub(crate) levels: usize,
}

/// Walks a statement.
pub(crate) fn walk(node: &NodeEnum) -> Result<Mentions, AnalyzeError> {
    Ok(gone_through(node)?.finish())
}

/// How many levels the statements' tree has.
pub(crate) fn levels(statements: &[RawStmt]) -> Result<usize, AnalyzeError> {
    let nodes = statements.iter().filter_map(|statement| statement.stmt.as_deref()?.node.as_ref());
    let depths: Result<Vec<_>, _> = nodes.map(|node| gone_through(node).map(|walk| walk.deepest)).collect();
    Ok(LEVELS_ABOVE + depths?.into_iter().max().unwrap_or(0))
}

fn gone_through(node: &NodeEnum) -> Result<Walk, AnalyzeError> {
    let mut walk = Walk::default();
    node.serialize(&mut walk).map_err(|_| AnalyzeError::TooDeep)?;
    Ok(walk)
}

/// A node on the way from the root to where the walk is.
#[derive(Debug, Default)]
struct Frame {
    /// The node's type, as its Rust type is called.
    kind: &'static str,
    /// The field being walked.
    field: &'static str,
    /// Strings directly in the node or in its lists of strings, with their fields.
    strings: Vec<(&'static str, String)>,
    /// Fields that hold nodes.
    filled: Vec<&'static str>,
    /// Byte offset in the text.
    location: i32,
    /// Of INSERT, UPDATE, DELETE and MERGE: what is written to.
    target: Option<Relation>,
    /// What ON CONFLICT and WHEN clauses do to the target.
    writes: Effect,
    /// How many references there were in the walk when the field began.
    references: usize,
    /// The node has a WHERE that refers to nothing.
    constant_where: bool,
    /// Of a function call: how many arguments have begun, and the first where it names a known setting.
    arguments: usize,
    first_argument: Option<String>,
}

impl Frame {
    fn string(&self, field: &str) -> &str {
        self.strings.iter().find(|(of, _)| *of == field).map_or("", |(_, string)| string)
    }

    fn list(&self, field: &'static str) -> impl Iterator<Item = &str> {
        self.strings.iter().filter(move |(of, _)| *of == field).map(|(_, string)| string.as_str())
    }
}

#[derive(Debug, Default)]
struct Walk {
    frames: Vec<Frame>,
    /// One for each statement under way that can have a WITH, innermost last.
    scopes: Vec<Scope>,
    /// Relations that no WITH accounts for.
    relations: Vec<Relation>,
    /// With their places in the text.
    functions: Vec<(i32, String)>,
    /// Settings that calls name, with the calls' places.
    settings: Vec<(i32, String)>,
    /// References to columns, cursors and relations so far.
    references: usize,
    /// Last names of column references.
    referred: Vec<String>,
    /// Other names of columns, and `*`.
    columns: Vec<String>,
    /// Names by which a whole row can be referred to.
    rows: HashSet<String>,
    effects: Effect,
    features: Vec<&'static str>,
    selects_into: bool,
    /// In how many messages of the tree's encoding the walk is, and was at most.
    depth: usize,
    deepest: usize,
    /// How many relations were looked at when queries ended.
    handed_on: usize,
}

/// Statements that can have a WITH clause.
fn has_scope(kind: &str) -> bool {
    matches!(kind, "SelectStmt" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt")
}

/// Descent: called by `visit` as the tree is gone through.
impl Walk {
    fn enter(&mut self, kind: &'static str) {
        if let Some(parent) = self.frames.last_mut() {
            if parent.filled.last() != Some(&parent.field) {
                parent.filled.push(parent.field);
            }
            parent.arguments += usize::from(parent.kind == "FuncCall" && parent.field == "args");
        }
        match (kind, self.scopes.last_mut()) {
            ("CommonTableExpr", Some(scope)) => scope.begin_cte(),
            _ if has_scope(kind) => self.scopes.push(Scope::default()),
            _ => {}
        }
        self.frames.push(Frame { kind, ..Frame::default() });
    }

    fn descend(&mut self) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
    }

    fn ascend(&mut self) {
        self.depth -= 1;
    }

    fn begin_field(&mut self, field: &'static str) {
        if let Some(frame) = self.frames.last_mut() {
            frame.field = field;
            frame.references = self.references;
        }
    }

    fn end_field(&mut self) {
        if let Some(frame) = self.frames.last_mut()
            && frame.field == "where_clause"
        {
            frame.constant_where = frame.references == self.references;
        }
    }

    fn string(&mut self, string: &str) {
        // Literals are of no interest, and can be long.
        let literal = self.frames.iter().rev().take(2).any(|frame| frame.kind == "AConst");
        if literal {
            self.first_argument(string);
        }
        if let (Some(frame), false, false) = (self.frames.last_mut(), literal, string.is_empty()) {
            frame.strings.push((frame.field, string.to_owned()));
        }
    }

    /// The first argument of `set_config` says which setting it is about. Only names that are known are taken: a literal may
    /// be anything.
    fn first_argument(&mut self, string: &str) {
        if let [.., call, constant, _] = &mut self.frames[..]
            && (call.kind, call.field, call.arguments) == ("FuncCall", "args", 1)
            && constant.kind == "AConst"
            && string.len() <= SETTING_BYTES_MAX
        {
            call.first_argument =
                Some(string.to_lowercase()).filter(|name| setting::is_harmless_setting(name));
        }
    }

    fn number(&mut self, number: i32) {
        let Some(frame) = self.frames.last_mut() else { return };
        match (frame.kind, frame.field) {
            (_, "location") => frame.location = number,
            (_, "behavior") if number == DropBehavior::DropCascade as i32 => {
                self.features.push(feature::CASCADE)
            }
            ("OnConflictClause", "action") if number == OnConflictAction::OnconflictUpdate as i32 => {
                frame.writes |= Effect::UPDATE;
            }
            ("MergeWhenClause", "command_type") => frame.writes |= merge_effect(number),
            _ => {}
        }
    }

    fn flag(&mut self) {
        match (self.parent(), self.scopes.last_mut()) {
            (("WithClause", "recursive"), Some(scope)) => scope.recursive = true,
            // Compares the columns that both sides happen to have.
            (("JoinExpr", "is_natural"), _) => self.columns.push("*".to_owned()),
            _ => {}
        }
    }

    fn leave(&mut self) -> Result<(), visit::TooDeep> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        self.gather_columns(&frame);
        match frame.kind {
            "String" => self.hand_up(frame.string("sval")),
            "AStar" => self.leave_star(),
            "RangeVar" => self.leave_relation(&frame),
            "Alias" => self.leave_alias(&frame),
            "ReturningOption" => self.name_row(frame.string("value")),
            "ReturningClause" => self.effects |= Effect::READ,
            "ColumnRef" => self.leave_column(&frame),
            "AIndirection" => self.leave_indirection(&frame),
            "CurrentOfExpr" => self.references += 1,
            "FuncCall" => {
                let setting = frame.first_argument.as_deref().unwrap_or(ANY_SETTING);
                self.call(frame.location, frame.list("funcname").collect(), setting);
            }
            "RangeTableSample" => self.call(frame.location, frame.list("method").collect(), ANY_SETTING),
            "CommonTableExpr" => self.leave_cte(&frame),
            "LockingClause" => self.leave_lock(&frame),
            "IntoClause" => self.leave_into(),
            "OnConflictClause" | "MergeWhenClause" => self.hand_up_writes(&frame),
            "SelectStmt" => self.leave_select(&frame)?,
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => self.leave_write(frame)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Mentions {
        let row = |name: &String| self.rows.contains(name) || ROW_NAMES.contains(&name.as_str());
        if self.referred.iter().any(row) {
            self.columns.push("*".to_owned());
        }
        self.columns.append(&mut self.referred);
        let relations = self.relations.into_iter().map(|relation| {
            let object = Object { kind: ObjectKind::Relation, name: relation.name, access: relation.access };
            (relation.location, object)
        });
        let functions = self.functions.into_iter().map(|(location, name)| {
            (location, Object { kind: ObjectKind::Function, name, access: Access::Call })
        });
        let settings = self.settings.into_iter().map(|(location, name)| {
            (location, Object { kind: ObjectKind::Setting, name, access: Access::Set })
        });
        let mut objects: Vec<_> = relations.chain(functions).chain(settings).collect();
        objects.sort_by_key(|(location, _)| *location);
        Mentions {
            effects: self.effects,
            objects: objects.into_iter().map(|(_, object)| object).collect(),
            features: self.features,
            columns: self.columns,
            selects_into: self.selects_into,
            levels: self.deepest + LEVELS_ABOVE,
        }
    }
}

fn merge_effect(command: i32) -> Effect {
    match CmdType::try_from(command) {
        Ok(CmdType::CmdInsert) => Effect::INSERT,
        Ok(CmdType::CmdUpdate) => Effect::UPDATE,
        Ok(CmdType::CmdDelete) => Effect::DELETE,
        Ok(CmdType::CmdNothing) => Effect::empty(),
        // Not in the grammar: whatever it is, it counts as everything it could be.
        Ok(
            CmdType::Undefined
            | CmdType::CmdUnknown
            | CmdType::CmdSelect
            | CmdType::CmdMerge
            | CmdType::CmdUtility,
        )
        | Err(_) => Effect::INSERT | Effect::UPDATE | Effect::DELETE,
    }
}

/// Ascent: what each kind of node means once all of it is known.
impl Walk {
    /// The node that the one just left stands in, and the field.
    fn parent(&self) -> (&'static str, &'static str) {
        self.frames.last().map_or(("", ""), |frame| (frame.kind, frame.field))
    }

    /// Lets the parent have a string under the field in which the node just left stands.
    fn hand_up(&mut self, string: &str) {
        if let Some(parent) = self.frames.last_mut()
            && !string.is_empty()
        {
            parent.strings.push((parent.field, string.to_owned()));
        }
    }

    fn hand_up_writes(&mut self, frame: &Frame) {
        if let Some(parent) = self.frames.last_mut() {
            parent.writes |= frame.writes;
        }
    }

    fn gather_columns(&mut self, frame: &Frame) {
        let written = frame.kind == "ResTarget" && role::is_written(self.parent());
        for (field, string) in &frame.strings {
            if role::is_column(frame.kind, field) || (written && ["name", "indirection"].contains(field)) {
                self.columns.push(string.clone());
            }
        }
    }

    fn leave_star(&mut self) {
        self.columns.push("*".to_owned());
        self.hand_up("*");
    }

    fn leave_relation(&mut self, frame: &Frame) {
        self.references += 1;
        if frame.string("relpersistence") == TEMPORARY {
            self.features.push(feature::TEMPORARY);
        }
        let parts = ["catalogname", "schemaname", "relname"].map(|part| frame.string(part));
        let known_as = frame.list("alias").next().unwrap_or(parts[2]);
        self.name_row(known_as);
        let mut relation = Relation {
            name: name::qualified(parts),
            unqualified: parts[1].is_empty().then(|| parts[2].to_owned()),
            known_as: known_as.to_owned(),
            location: frame.location,
            access: Access::Read,
        };
        match role::of_relation(self.parent()) {
            Role::NotARelation => {}
            Role::Locked => self.hand_up(parts[2]),
            Role::Read => self.mention(relation),
            Role::Named(access) => {
                relation.unqualified = None;
                relation.access = access;
                self.mention(relation);
            }
            Role::Target => {
                relation.unqualified = None;
                if let Some(statement) = self.frames.last_mut() {
                    statement.target = Some(relation);
                }
            }
        }
    }

    fn name_row(&mut self, name: &str) {
        self.rows.insert(name.to_owned());
    }

    fn mention(&mut self, relation: Relation) {
        match self.scopes.last_mut() {
            Some(scope) => scope.mention(relation),
            None => self.relations.push(relation),
        }
    }

    fn leave_alias(&mut self, frame: &Frame) {
        let (kind, _) = self.parent();
        // `users AS u (a, b, c)` renames columns that the statement does not name.
        if matches!(kind, "RangeVar" | "JoinExpr") && frame.list("colnames").next().is_some() {
            self.columns.push("*".to_owned());
        }
        // A function's alias is most often its one column; what it computes from rows has mentioned them.
        if kind != "RangeFunction" {
            self.name_row(frame.string("aliasname"));
        }
        self.hand_up(frame.string("aliasname"));
    }

    fn leave_column(&mut self, frame: &Frame) {
        self.references += 1;
        let names: Vec<&str> = frame.list("fields").collect();
        let Some((last, qualifiers)) = names.split_last() else { return };
        if !qualifiers.is_empty() {
            self.maybe_call(frame.location, last);
        }
        self.referred.push((*last).to_owned());
    }

    fn leave_indirection(&mut self, frame: &Frame) {
        for name in frame.list("indirection") {
            self.maybe_call(frame.location, name);
        }
    }

    /// `x.f` and `(x).f` are `f(x)` where there is no such column (PostgreSQL manual, section 4.2.6 and 8.16.5).
    fn maybe_call(&mut self, location: i32, name: &str) {
        if function::takes_row(name) {
            self.columns.push("*".to_owned());
        }
        if function::special(name).is_some() {
            self.call(location, vec![name], ANY_SETTING);
        }
    }

    /// `setting` is what a `set_config` would set.
    fn call(&mut self, location: i32, parts: Vec<&str>, setting: &str) {
        match parts.last().and_then(|name| function::special(name)) {
            Some(function::Special::Dangerous) => self.features.push(feature::DANGEROUS_FUNCTION),
            Some(function::Special::SetConfig) => {
                self.features.push(feature::SET_CONFIG);
                self.effects |= Effect::SESSION;
                self.settings.push((location, setting.to_owned()));
            }
            Some(function::Special::Notify) => self.effects |= Effect::NOTIFY,
            Some(function::Special::AdvisoryLock) => self.effects |= Effect::LOCK,
            None => {}
        }
        self.functions.push((location, name::qualified(parts)));
    }

    fn leave_cte(&mut self, frame: &Frame) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.end_cte(frame.string("ctename").to_owned());
        }
    }

    fn leave_lock(&mut self, frame: &Frame) {
        self.effects |= Effect::LOCK;
        if let Some(scope) = self.scopes.last_mut() {
            scope.lock(frame.list("locked_rels"));
        }
    }

    fn leave_into(&mut self) {
        if self.parent() == ("SelectStmt", "into_clause") {
            self.selects_into = true;
            self.features.push(feature::SELECT_INTO);
            self.effects |= Effect::DEFINE | Effect::INSERT;
        }
    }

    fn leave_select(&mut self, frame: &Frame) -> Result<(), visit::TooDeep> {
        // The VALUES of an INSERT is a SELECT without either.
        if ["from_clause", "target_list"].iter().any(|field| frame.filled.contains(field)) {
            self.effects |= Effect::READ;
        }
        self.close_scope()
    }

    fn leave_write(&mut self, mut frame: Frame) -> Result<(), visit::TooDeep> {
        let writes = match frame.kind {
            "InsertStmt" => Effect::INSERT | frame.writes,
            "UpdateStmt" => Effect::UPDATE,
            "DeleteStmt" => Effect::DELETE,
            _ => frame.writes,
        };
        self.effects |= writes;
        if ["from_clause", "using_clause", "source_relation"].iter().any(|field| frame.filled.contains(field))
        {
            self.effects |= Effect::READ;
        }
        if let Some(target) = frame.target.take() {
            self.mention_target(target, writes);
        }
        if matches!(frame.kind, "UpdateStmt" | "DeleteStmt") {
            self.judge_where(&frame);
        }
        if self.frames.iter().any(|outer| outer.kind == "CommonTableExpr") {
            self.features.push(feature::CTE_WRITE);
        }
        self.close_scope()
    }

    fn mention_target(&mut self, target: Relation, writes: Effect) {
        let accesses = [
            (Effect::INSERT, Access::Insert),
            (Effect::UPDATE, Access::Update),
            (Effect::DELETE, Access::Delete),
        ];
        for (_, access) in accesses.into_iter().filter(|(effect, _)| writes.contains(*effect)) {
            self.mention(Relation { access, ..target.clone() });
        }
        // MERGE whose every branch does nothing.
        if writes.is_empty() {
            self.mention(target);
        }
    }

    fn judge_where(&mut self, frame: &Frame) {
        if !frame.filled.contains(&"where_clause") {
            self.features.push(feature::NO_WHERE);
        } else if frame.constant_where {
            self.features.push(feature::CONSTANT_WHERE);
        }
    }

    fn close_scope(&mut self) -> Result<(), visit::TooDeep> {
        let Some(scope) = self.scopes.pop() else { return Ok(()) };
        let (left, looked_at) = scope.close();
        self.handed_on += looked_at;
        if self.handed_on > HANDED_ON_MAX {
            return Err(visit::TooDeep);
        }
        match self.scopes.last_mut() {
            Some(scope) => scope.hand_up(left),
            None => self.relations.extend(left.into_list()),
        }
        Ok(())
    }
}
