//! What lineage has to know of a database: relations, functions, who inherits from whom. Plain data, filled by whoever can
//! ask the server; nothing here asks.

mod collation;
mod family;
mod firing;

use std::collections::{BTreeSet, HashMap, HashSet};

pub use collation::Collation;
use family::Families;
use firing::Firings;
pub use firing::{Act, Firing, Follower, FunctionName};

/// A column by the server's numbers: `pg_class.oid` and `pg_attribute.attnum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId {
    /// The relation's OID.
    pub relation: u32,
    /// The attribute's number, from 1.
    pub number: i16,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SchemaColumn {
    /// Its name, as the server stores it.
    pub name: Box<str>,
    /// The attribute's number, from 1, with gaps where columns were dropped.
    pub number: i16,
    /// Its type's OID.
    pub type_oid: u32,
    /// Its type's modifier; -1 for none.
    pub typmod: i32,
    /// For a generated column: its expression, as `pg_get_expr` gives it.
    pub generated: Option<Box<str>>,
    /// How its texts are compared.
    pub collation: Collation,
}

/// What sort of relation it is (`pg_class.relkind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// A table, partitioned or not, or a sequence.
    Table,
    /// A view: what it holds is what its definition reads, computed each time.
    View,
    /// A materialised view: what it holds is what its definition read once. Reading it computes nothing.
    Materialized,
    /// A foreign table.
    Foreign,
}

/// A table, view or their like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relation {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Its schema's name.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns in the order of their numbers, without dropped ones.
    pub columns: Vec<SchemaColumn>,
    /// A view's query, as `pg_get_viewdef` gives it: the server qualifies names that its search path at that time would not
    /// find, so it is read under the same one.
    pub definition: Option<Box<str>>,
    /// Relations it inherits from or is a partition of.
    pub parents: Vec<u32>,
    /// Numbers of the columns that a unique index, an exclusion constraint, a foreign key or a check compares with values
    /// that are stored already; writing one tells by failing. A set for each.
    pub compared: Vec<Compared>,
}

/// Columns of a relation that writing compares with stored values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Compared {
    /// Columns whose new values are compared; all of the relation's where an expression hides them.
    pub written: BTreeSet<i16>,
    /// What they are compared with.
    pub with: BTreeSet<ColumnId>,
    /// When.
    pub occasion: Occasion,
}

/// When stored values are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// When the columns are written.
    Writing,
    /// Also when their rows are removed: a foreign key refers to them. What refers may be changed or removed with them.
    WritingOrRemoval,
}

/// How often a function gives the same for the same (`pg_proc.provolatile`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Volatility {
    /// Computes from its arguments alone.
    Immutable,
    /// May read the database.
    Stable,
    /// May do anything.
    Volatile,
}

/// A function, procedure or aggregate that does not belong to `pg_catalog`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its schema's name.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it may do; of an aggregate: the worst of the functions it is made of, for it has none of its own.
    pub volatility: Volatility,
    /// Whether it returns a set.
    pub returns_set: bool,
    /// Fewest arguments it is called with.
    pub arguments_min: u16,
    /// Most arguments it is called with; `u16::MAX` where it is variadic.
    pub arguments_max: u16,
}

/// What is known of a name in `pg_catalog` that functions, aggregates or window functions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Builtin {
    /// The worst of all functions of the name.
    pub volatility: Volatility,
    /// Whether one of them returns a set.
    pub returns_set: bool,
}

/// The relations and functions of one database at one moment. Relations of `pg_catalog` and `information_schema` are in it
/// too, without definitions; they are [`Relation::is_system`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    relations: Vec<Relation>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<Box<str>, Vec<usize>>,
    /// Who inherits from a relation, or is a partition of it.
    children: HashMap<u32, Vec<usize>>,
    functions: HashMap<Box<str>, Vec<Function>>,
    /// Operators outside `pg_catalog`, by name, with the name of the function behind each.
    operators: HashMap<Box<str>, Vec<Box<str>>>,
    builtins: HashMap<Box<str>, Builtin>,
    functions_of_builtin_types: HashSet<Box<str>>,
    operators_of_builtin_types: HashSet<Box<str>>,
    /// Type OIDs whose values are vectors (pgvector's `vector`, `halfvec`, `sparsevec`).
    vector_types: HashSet<u32>,
    vector_array_types: HashSet<u32>,
    domains_over_text: HashSet<u32>,
    plain_types: HashSet<u32>,
    /// See [`SchemaParts::search_path`].
    search_path: Vec<Box<str>>,
    firings: Firings,
    /// See [`SchemaParts::foreign_keys`].
    foreign_keys: Vec<(ColumnId, ColumnId)>,
    families: Families,
}

/// What a database consists of: the parts of a [`Schema`].
#[derive(Clone, Debug, Default)]
pub struct SchemaParts {
    /// In any order.
    pub relations: Vec<Relation>,
    /// Functions outside `pg_catalog`, in any order.
    pub functions: Vec<Function>,
    /// Operators outside `pg_catalog`: name, and name of the function behind.
    pub operators: Vec<(Box<str>, Box<str>)>,
    /// Every function of `pg_catalog` (`pg_proc.proname` where `pronamespace` is `pg_catalog`, all kinds but procedures);
    /// a name may repeat, what is kept is the worst. One that is missing here is taken for a function that may do anything.
    pub builtins: Vec<(Box<str>, Builtin)>,
    /// Names of functions outside `pg_catalog` of which one, at least, has only arguments of types in `pg_catalog`, or has
    /// none, or has one of a pseudo-type such as `anyelement`. A call of a built-in name with arguments of built-in types
    /// means the built-in function if the name is not here.
    pub functions_of_builtin_types: HashSet<Box<str>>,
    /// The same of operators outside `pg_catalog`.
    pub operators_of_builtin_types: HashSet<Box<str>>,
    /// OIDs of vector types.
    pub vector_types: HashSet<u32>,
    /// Those of [`SchemaParts::vector_types`] that are arrays of vectors.
    pub vector_array_types: HashSet<u32>,
    /// OIDs of domains over `text` or one of its kin, however many domains lie between.
    pub domains_over_text: HashSet<u32>,
    /// OIDs of types outside `pg_catalog` any two values of which can be compared and turned into `jsonb`, and which are no
    /// arrays: enums, those domains, and composite types of built-in types that can as well.
    pub plain_types: HashSet<u32>,
    /// `current_schemas(true)` of a fresh connection; `pg_temp` last if the setting names it, for then temporary tables do
    /// not come first, as they else do.
    pub search_path: Vec<Box<str>>,
    /// What happens by itself when relations are written, in any order.
    pub firings: Vec<Firing>,
    /// Who is written when a relation is, in any order; children are known from [`Relation::parents`].
    pub followers: Vec<(u32, Follower)>,
    /// Columns that refer to others by a foreign key, each with the one it refers to: whatever is in the first is in the
    /// second.
    pub foreign_keys: Vec<(ColumnId, ColumnId)>,
    /// Columns that decide in which of its partitions a row of their relation lies.
    pub partition_keys: Vec<ColumnId>,
    /// Columns of which some values are refused when they are written: by a check; by an index, which takes no long ones,
    /// and computes expressions; by a view that takes only rows it shows.
    pub limited: Vec<ColumnId>,
}

impl Relation {
    /// Whether it is one of the server's own.
    pub fn is_system(&self) -> bool {
        matches!(&*self.schema, "pg_catalog" | "information_schema" | "pg_toast")
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&SchemaColumn> {
        self.columns.iter().find(|column| &*column.name == name)
    }
}

impl Builtin {
    fn worsen(&mut self, other: Self) {
        self.volatility = self.volatility.max(other.volatility);
        self.returns_set |= other.returns_set;
    }
}

impl Function {
    /// Whether it can be called with so many arguments.
    pub fn takes(&self, arguments: usize) -> bool {
        (usize::from(self.arguments_min)..=usize::from(self.arguments_max)).contains(&arguments)
            || (self.arguments_max == u16::MAX && arguments >= usize::from(self.arguments_min))
    }
}

impl From<SchemaParts> for Schema {
    fn from(parts: SchemaParts) -> Self {
        let mut schema = Self {
            vector_types: parts.vector_types,
            vector_array_types: parts.vector_array_types,
            domains_over_text: parts.domains_over_text,
            plain_types: parts.plain_types,
            search_path: parts.search_path,
            firings: Firings::new(parts.firings, parts.followers),
            relations: parts.relations,
            functions_of_builtin_types: parts.functions_of_builtin_types,
            operators_of_builtin_types: parts.operators_of_builtin_types,
            foreign_keys: parts.foreign_keys,
            ..Self::default()
        };
        schema.relations.sort_by_key(|relation| relation.oid);
        for (index, relation) in schema.relations.iter().enumerate() {
            schema.by_oid.insert(relation.oid, index);
            schema.by_name.entry(relation.name.clone()).or_default().push(index);
            for parent in &relation.parents {
                schema.children.entry(*parent).or_default().push(index);
            }
        }
        schema.families = Families::of(&schema, &parts.partition_keys, &parts.limited);
        for function in parts.functions {
            schema.functions.entry(function.name.clone()).or_default().push(function);
        }
        for (operator, function) in parts.operators {
            schema.operators.entry(operator).or_default().push(function);
        }
        for (name, builtin) in parts.builtins {
            schema.builtins.entry(name).and_modify(|known| known.worsen(builtin)).or_insert(builtin);
        }
        schema
    }
}

impl Schema {
    /// The relation with that OID.
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        self.by_oid.get(&oid).map(|index| &self.relations[*index])
    }

    /// All relations of that name, in whatever schema.
    pub fn relations_named(&self, name: &str) -> impl Iterator<Item = &Relation> {
        self.by_name.get(name).into_iter().flatten().map(|index| &self.relations[*index])
    }

    /// The relations that inherit from it directly, or are its partitions.
    pub fn children_of(&self, oid: u32) -> impl Iterator<Item = &Relation> {
        self.children.get(&oid).into_iter().flatten().map(|index| &self.relations[*index])
    }

    /// What happens by itself when the relation is written; of 0: when something is defined.
    pub fn firings_of(&self, oid: u32) -> &[Firing] {
        self.firings.of(oid)
    }

    /// Relations that are written when this one is, but for its children.
    pub fn followers_of(&self, oid: u32) -> &[Follower] {
        self.firings.followers_of(oid)
    }

    /// Columns that refer to others by a foreign key, each with the one it refers to.
    pub fn foreign_keys(&self) -> &[(ColumnId, ColumnId)] {
        &self.foreign_keys
    }

    /// Columns, of the relations that it is a partition of, that decided that its rows lie in it.
    pub fn bounded_by(&self, oid: u32) -> &[ColumnId] {
        self.families.bounded_by(oid)
    }

    /// Columns that decide in which of its partitions, or of theirs, a row of the relation lies.
    pub fn divided_by(&self, oid: u32) -> &[ColumnId] {
        self.families.divided_by(oid)
    }

    /// Whether some values of the column's type may be refused when they are written to it: by a check, an index, the bounds
    /// of a partition, a generated column that cannot be computed, by what holds in a relation that inherits from it.
    pub fn is_limited(&self, column: ColumnId) -> bool {
        self.families.is_limited(column)
    }

    /// All relations, by OID.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// All functions of that name outside `pg_catalog`.
    pub fn functions_named(&self, name: &str) -> &[Function] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// What is known of the functions of that name in `pg_catalog`.
    pub fn builtin(&self, name: &str) -> Option<Builtin> {
        self.builtins.get(name).copied()
    }

    /// Whether a function of that name outside `pg_catalog` can take arguments of built-in types alone.
    pub fn function_takes_builtin_types(&self, name: &str) -> bool {
        self.functions_of_builtin_types.contains(name)
    }

    /// Whether an operator of that name outside `pg_catalog` can take operands of built-in types alone.
    pub fn operator_takes_builtin_types(&self, name: &str) -> bool {
        self.operators_of_builtin_types.contains(name)
    }

    /// Names of the functions behind operators of that name outside `pg_catalog`.
    pub fn operators_named(&self, name: &str) -> &[Box<str>] {
        self.operators.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether values of the type are vectors.
    pub fn is_vector(&self, type_oid: u32) -> bool {
        self.vector_types.contains(&type_oid)
    }

    /// Whether the type is a domain over text.
    pub fn is_domain_over_text(&self, type_oid: u32) -> bool {
        self.domains_over_text.contains(&type_oid)
    }

    /// Whether values of a type that users made are known to be no arrays.
    pub fn is_no_array(&self, type_oid: u32) -> bool {
        self.is_plain(type_oid) || (self.is_vector(type_oid) && !self.vector_array_types.contains(&type_oid))
    }

    /// Whether any two values of a type that users made can be compared and turned into `jsonb`, and it is no array.
    pub fn is_plain(&self, type_oid: u32) -> bool {
        self.plain_types.contains(&type_oid)
    }

    /// The schemas a fresh connection looks through, in order.
    pub fn search_path(&self) -> &[Box<str>] {
        &self.search_path
    }
}
