//! What a statement is as a whole: its command tag, what the command itself does, and the objects it names as such.
//! What is mentioned inside it is gathered by `walk`.
//!
//! Each group of statements is a list in a file of its own; what is in none of them is refused.

mod alter;
mod create;
mod grant;
mod query;
mod session;
mod upkeep;

use grille_core::{Access, Effect, Object, ObjectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, ObjectType};

use super::{AnalyzeError, name};

/// A statement as a whole.
#[derive(Debug)]
pub(crate) struct Command<'n> {
    pub(crate) kind: String,
    pub(crate) effects: Effect,
    pub(crate) objects: Vec<Object>,
    pub(crate) features: Vec<&'static str>,
    pub(crate) columns: Vec<String>,
    pub(crate) names: Option<String>,
    pub(crate) setting: Option<String>,
    pub(crate) inner: Inner<'n>,
}

/// How a statement relates to one inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inner<'n> {
    /// No statement that could be judged by itself: the whole is walked.
    None(&'n NodeEnum),
    /// One that is planned and not run.
    Explained(&'n NodeEnum),
    /// One that runs, now or later.
    Runs(&'n NodeEnum),
}

impl<'n> Command<'n> {
    /// The statement, with those inside it that run or take effect with it.
    pub(crate) fn of(node: &'n NodeEnum) -> Result<Self, AnalyzeError> {
        let groups = [query::command, session::command, upkeep::command, grant::command, create::command];
        let found = groups.iter().find_map(|group| group(node)).or_else(|| alter::command(node));
        let mut command = found.ok_or(AnalyzeError::Unsupported)?;
        for part in create::parts(node) {
            let part = Self::of(part)?;
            command.effects |= part.effects;
            command.objects.extend(part.objects);
            command.features.extend(part.features);
            command.columns.extend(part.columns);
        }
        Ok(command)
    }

    fn new(node: &'n NodeEnum, kind: impl Into<String>, effects: Effect) -> Self {
        Self {
            kind: kind.into(),
            effects,
            objects: Vec::new(),
            features: Vec::new(),
            columns: Vec::new(),
            names: None,
            setting: None,
            inner: Inner::None(node),
        }
    }

    fn inner(mut self, inner: Inner<'n>) -> Self {
        self.inner = inner;
        self
    }

    /// Adds an object; one without a name is none.
    fn object(mut self, kind: ObjectKind, name: impl Into<String>, access: Access) -> Self {
        let name = name.into();
        if !name.is_empty() {
            self.objects.push(Object { kind, name, access });
        }
        self
    }

    fn objects(self, kind: ObjectKind, names: impl IntoIterator<Item = String>, access: Access) -> Self {
        names.into_iter().fold(self, |command, name| command.object(kind, name, access))
    }

    /// Adds what a statement such as DROP or COMMENT points at.
    fn target(self, of: ObjectType, node: Option<&Node>, access: Access) -> Self {
        let Some(node) = node else { return self };
        match (of, part_of_relation(of), &node.node) {
            (ObjectType::ObjectColumn, _, Some(NodeEnum::List(path))) => self.column(&path.items),
            (_, true, Some(NodeEnum::List(path))) => self.part(&path.items, access),
            _ => self.object(object_type(of).1, name::object(node), access),
        }
    }

    /// `table.column`, of which the table changes.
    fn column(mut self, path: &[Node]) -> Self {
        let Some((column, table)) = path.split_last() else { return self };
        self.columns.extend(name::strings(std::slice::from_ref(column)).map(str::to_owned));
        self.object(ObjectKind::Relation, name::list(table), Access::Define)
    }

    /// A trigger, rule or policy: its table changes.
    fn part(self, path: &[Node], access: Access) -> Self {
        let Some((part, table)) = path.split_last() else { return self };
        self.object(ObjectKind::Relation, name::list(table), Access::Define).object(
            ObjectKind::Other,
            name::object(part),
            access,
        )
    }

    fn feature(mut self, feature: &'static str) -> Self {
        self.features.push(feature);
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.names = (!name.is_empty()).then(|| name.to_owned());
        self
    }

    fn setting(mut self, setting: impl Into<String>) -> Self {
        self.setting = Some(setting.into());
        self
    }
}

/// An object of a statement that is explained and not run: relations are read at most.
pub(crate) fn as_explained(object: Object) -> Object {
    match object.kind {
        ObjectKind::Relation => Object { access: Access::Read, ..object },
        ObjectKind::Function
        | ObjectKind::Schema
        | ObjectKind::Database
        | ObjectKind::Role
        | ObjectKind::Type
        | ObjectKind::Extension
        | ObjectKind::Setting
        | ObjectKind::Channel
        | ObjectKind::Other => object,
    }
}

/// Whether such an object's name is that of a table with one of the table's own names after it.
fn part_of_relation(of: ObjectType) -> bool {
    matches!(
        of,
        ObjectType::ObjectPolicy
            | ObjectType::ObjectRule
            | ObjectType::ObjectTabconstraint
            | ObjectType::ObjectTrigger
    )
}

/// The words of command tags for a type of object, and what kind it is to a policy.
fn object_type(of: ObjectType) -> (&'static str, ObjectKind) {
    use ObjectKind::{Database, Extension, Function, Other, Relation, Role, Schema, Setting, Type};
    match of {
        ObjectType::ObjectAccessMethod => ("access method", Other),
        ObjectType::ObjectAggregate => ("aggregate", Function),
        ObjectType::ObjectAttribute | ObjectType::ObjectType => ("type", Type),
        ObjectType::ObjectCast => ("cast", Other),
        ObjectType::ObjectCollation => ("collation", Other),
        ObjectType::ObjectColumn | ObjectType::ObjectTable | ObjectType::ObjectTabconstraint => {
            ("table", Relation)
        }
        ObjectType::ObjectConversion => ("conversion", Other),
        ObjectType::ObjectDatabase => ("database", Database),
        ObjectType::ObjectDomain | ObjectType::ObjectDomconstraint => ("domain", Type),
        ObjectType::ObjectEventTrigger => ("event trigger", Other),
        ObjectType::ObjectExtension => ("extension", Extension),
        ObjectType::ObjectFdw => ("foreign data wrapper", Other),
        ObjectType::ObjectForeignServer => ("server", Other),
        ObjectType::ObjectForeignTable => ("foreign table", Relation),
        ObjectType::ObjectFunction => ("function", Function),
        ObjectType::ObjectIndex => ("index", Relation),
        ObjectType::ObjectLanguage => ("language", Other),
        ObjectType::ObjectLargeobject => ("large object", Other),
        ObjectType::ObjectMatview => ("materialized view", Relation),
        ObjectType::ObjectOpclass => ("operator class", Other),
        ObjectType::ObjectOperator => ("operator", Other),
        ObjectType::ObjectOpfamily => ("operator family", Other),
        ObjectType::ObjectParameterAcl => ("parameter", Setting),
        ObjectType::ObjectPolicy => ("policy", Other),
        ObjectType::ObjectProcedure => ("procedure", Function),
        ObjectType::ObjectPublication
        | ObjectType::ObjectPublicationNamespace
        | ObjectType::ObjectPublicationRel => ("publication", Other),
        ObjectType::ObjectRole => ("role", Role),
        ObjectType::ObjectRoutine => ("routine", Function),
        ObjectType::ObjectRule => ("rule", Other),
        ObjectType::ObjectSchema => ("schema", Schema),
        ObjectType::ObjectSequence => ("sequence", Relation),
        ObjectType::ObjectStatisticExt => ("statistics", Other),
        ObjectType::ObjectSubscription => ("subscription", Other),
        ObjectType::ObjectTablespace => ("tablespace", Other),
        ObjectType::ObjectTransform => ("transform", Other),
        ObjectType::ObjectTrigger => ("trigger", Other),
        ObjectType::ObjectTsconfiguration => ("text search configuration", Other),
        ObjectType::ObjectTsdictionary => ("text search dictionary", Other),
        ObjectType::ObjectTsparser => ("text search parser", Other),
        ObjectType::ObjectTstemplate => ("text search template", Other),
        ObjectType::ObjectUserMapping => ("user mapping", Other),
        ObjectType::ObjectView => ("view", Relation),
        ObjectType::ObjectAmop
        | ObjectType::ObjectAmproc
        | ObjectType::ObjectDefacl
        | ObjectType::ObjectDefault
        | ObjectType::Undefined => ("object", Other),
    }
}
