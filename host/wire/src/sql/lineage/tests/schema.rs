//! The schema that the tests are about, and what is protected in it.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use grille_core::Effect;

use crate::sql::lineage::Protection;
use crate::sql::schema::{
    Act, Builtin, Collation, ColumnId, Compared, Firing, Follower, Function, FunctionName, Occasion,
    Relation, RelationKind, Schema, SchemaColumn, SchemaParts, Volatility,
};

/// The OID of a type that users made: an enum.
const MOOD: u32 = 17_001;
const VECTOR: u32 = 17_002;
/// A domain over text.
const CODE: u32 = 17_003;

/// Name, kind, columns as `name:type`, with `@collation` if it is not the usual one, definition. Columns with `!` are named by
/// rules, and what is behind it is the rule where not all of a value is hidden.
const RELATIONS: &[(&str, RelationKind, &str, &str)] = &[
    (
        "public.users",
        RelationKind::Table,
        "id:int4 name:text ssn:text! email:varchar salary:int4! active:bool created:timestamptz born:date! pay:numeric! note:varchar",
        "",
    ),
    (
        "public.orders",
        RelationKind::Table,
        "id:int4 user_id:int4 amount:numeric status:text placed:timestamp",
        "",
    ),
    ("public.log", RelationKind::Table, "id:int4 message:text at:timestamptz", ""),
    ("public.docs", RelationKind::Table, "id:int4 body:text embedding:vector!", ""),
    (
        "public.payload",
        RelationKind::Table,
        "id:int4 data:jsonb! raw:json! tags:text[]! mood:mood! open:jsonb words:text[]",
        "",
    ),
    ("public.coded", RelationKind::Table, "id:int4 code:code!", ""),
    ("public.accounts", RelationKind::Table, "id:int4 iban:text! owner:int4", ""),
    ("public.refs", RelationKind::Table, "id:int4 iban:text", ""),
    ("public.vault", RelationKind::Table, "id:int4 ssn:text! copy:text!", ""),
    ("hr.staff", RelationKind::Table, "id:int4 name:text badge:text!", ""),
    ("sales.staff", RelationKind::Table, "id:int4 name:text badge:text", ""),
    ("hr.team", RelationKind::Table, "id:int4 secret:text!", ""),
    ("sales.team", RelationKind::Table, "id:int4 label:text", ""),
    ("public.events", RelationKind::Foreign, "id:int4 payload:text", ""),
    (
        "public.v_users",
        RelationKind::View,
        "id:int4 name:text ssn:text",
        " SELECT users.id,\n    users.name,\n    users.ssn\n   FROM users;",
    ),
    (
        "public.v_last",
        RelationKind::View,
        "id:int4 last4:text name:text",
        " SELECT id, \"right\"(ssn, 4) AS last4, name FROM users WHERE ssn IS NOT NULL;",
    ),
    (
        "public.v_nested",
        RelationKind::View,
        "key:int4 secret:text hint:text",
        "SELECT v.id, v.ssn, l.last4 FROM v_users v JOIN v_last l USING (id);",
    ),
    ("public.v_clean", RelationKind::View, "id:int4 name:text", "SELECT users.id, users.name FROM users;"),
    (
        "public.v_orders",
        RelationKind::View,
        "id:int4 total:numeric",
        "SELECT orders.user_id AS id, sum(orders.amount) AS total FROM orders GROUP BY orders.user_id;",
    ),
    (
        "public.v_groups",
        RelationKind::View,
        "ssn:text n:int8",
        "SELECT ssn, count(*) AS n FROM users GROUP BY ssn;",
    ),
    (
        "public.v_flag",
        RelationKind::View,
        "id:int4 known:bool",
        "SELECT id, (EXISTS (SELECT 1 FROM users u WHERE u.ssn = l.message)) AS known FROM log l;",
    ),
    ("public.v_stable", RelationKind::View, "x:int4", "SELECT reads() AS x;"),
    ("public.v_broken", RelationKind::View, "x:int4", "SELECT 1 AS x, 2 AS y;"),
    ("public.v_lost", RelationKind::View, "x:int4", ""),
    ("public.m_users", RelationKind::Materialized, "id:int4 ssn:text", "SELECT id, ssn FROM users;"),
    ("pg_catalog.pg_class", RelationKind::Table, "oid:oid relname:name relkind:char relnamespace:oid", ""),
    ("pg_catalog.pg_namespace", RelationKind::Table, "oid:oid nspname:name", ""),
    ("pg_catalog.pg_stat_activity", RelationKind::View, "pid:int4 query:text", ""),
    ("information_schema.tables", RelationKind::View, "table_schema:name table_name:name", ""),
    ("public.tickets", RelationKind::Table, "id:int4 subject:text note:text", ""),
    ("public.parts", RelationKind::Table, "id:int4 ticket:int4 label:text stamp:text", ""),
    (
        "public.shown",
        RelationKind::Table,
        "id:int4 last:text!last other:text!last token:text!token few:varchar!last tags:text[]!last plain:text gone:text!",
        "",
    ),
    ("public.v_shown", RelationKind::View, "id:int4 x:text", "SELECT id, last AS x FROM shown;"),
    ("public.v_plain", RelationKind::View, "id:int4 x:text!", "SELECT id, plain AS x FROM shown;"),
    ("public.v_within", RelationKind::View, "id:int4 ssn:text", "SELECT id, ssn FROM vault;"),
    ("north.mixed", RelationKind::Table, "id:int4 what:text!", ""),
    ("south.mixed", RelationKind::Table, "id:int4 what:text", ""),
    ("public.parted", RelationKind::Table, "id:int4 secret:text!", ""),
    ("public.parted_a", RelationKind::Table, "id:int4 secret:text!", ""),
    ("public.v_parted", RelationKind::View, "id:int4", "SELECT id FROM parted;"),
    ("public.checked", RelationKind::Table, "id:int4 ssn:text!", ""),
    ("public.letters", RelationKind::Table, "c:text@C p:text@POSIX loose:text@loose usual:text", ""),
    ("public.local", RelationKind::Table, "id:int4 ssn:text@POSIX! mail:text@loose!", ""),
];

const IMMUTABLE: &str = "abs any_value array_agg array_length array_to_string ascii avg bool_and btrim cardinality ceil char_length \
    coalesce concat_ws count dense_rank every first_value floor initcap json_array_length json_object_agg \
    jsonb_array_length jsonb_object_agg jsonb_set jsonb_typeof lag last_value lead left length like_escape lower lpad ltrim \
    max md5 min mod mode nth_value ntile num_nulls octet_length percentile_cont percentile_disc position power quote_ident \
    quote_literal rank regexp_replace repeat replace reverse right round row_number rpad rtrim sha256 split_part sqrt \
    starts_with string_agg string_to_array strpos substr substring sum text to_hex translate trunc upper decode encode \
    hashtext array_position format bit_and timezone overlaps stddev variance grouping date_part date_trunc extract \
    like not_like in_list sign gcd overlay similar_to_escape jsonb_build_object jsonb_build_array json_build_object \
    jsonb_path_exists is_normalized normalize generate_subscripts_one set_bit get_byte xmlagg xml int4 date make_date";
const STABLE: &str = "now to_char concat to_json to_jsonb row_to_json json_agg jsonb_agg array_to_json json_build_array \
    current_setting current_schema current_schemas version pg_typeof pg_get_viewdef pg_get_indexdef pg_table_is_visible \
    obj_description format_type has_table_privilege age jsonb_object pg_get_constraintdef col_description to_tsvector \
    query_to_xml table_to_xml ts_stat pg_column_size pg_get_userbyid to_timestamp quote_nullable pg_get_expr json_populate_record";
const VOLATILE: &str = "random nextval currval setval set_config pg_notify pg_advisory_lock clock_timestamp gen_random_uuid \
    pg_sleep lo_get txid_current pg_read_file";
const SETS: &str = "generate_series unnest json_array_elements jsonb_array_elements jsonb_each jsonb_each_text json_each \
    regexp_matches regexp_split_to_table string_to_table jsonb_object_keys generate_subscripts pg_get_keywords json_to_recordset \
    jsonb_path_query jsonb_to_recordset aclexplode pg_show_all_settings";

fn type_oid(name: &str) -> u32 {
    match name {
        "bool" => 16,
        "char" => 18,
        "name" => 19,
        "int8" => 20,
        "int4" => 23,
        "text" => 25,
        "oid" => 26,
        "json" => 114,
        "text[]" => 1009,
        "varchar" => 1043,
        "date" => 1082,
        "timestamp" => 1114,
        "timestamptz" => 1184,
        "numeric" => 1700,
        "jsonb" => 3802,
        "mood" => MOOD,
        "code" => CODE,
        "vector" => VECTOR,
        other => panic!("no type {other}"),
    }
}

fn relation(index: usize) -> Relation {
    let (name, kind, columns, definition) = RELATIONS[index];
    let (schema, name) = name.split_once('.').unwrap();
    let column = |(number, column): (usize, &str)| {
        let (column, _) = column.split_once('!').unwrap_or((column, ""));
        let (name, type_name) = column.split_once(':').unwrap();
        let (type_name, collation) = type_name.split_once('@').unwrap_or((type_name, ""));
        SchemaColumn {
            name: name.into(),
            number: i16::try_from(number + 1).unwrap(),
            type_oid: type_oid(type_name),
            typmod: -1,
            generated: None,
            collation: match collation {
                "" => Collation::Usual,
                "C" => Collation::C,
                "POSIX" => Collation::Own(951),
                "loose" => Collation::Loose(17_004),
                other => panic!("no collation {other}"),
            },
        }
    };
    Relation {
        oid: oid(index),
        schema: schema.into(),
        name: name.into(),
        kind,
        columns: columns.split_whitespace().enumerate().map(column).collect(),
        definition: (!definition.is_empty()).then(|| definition.into()),
        parents: if name == "parted_a" { vec![relation_called("public.parted")] } else { Vec::new() },
        compared: compared(name),
    }
}

fn oid(index: usize) -> u32 {
    20_000 + u32::try_from(index).unwrap()
}

/// `accounts.iban` is unique, and `refs.iban` refers to it.
fn compared(name: &str) -> Vec<Compared> {
    let accounts = RELATIONS.iter().position(|(name, ..)| *name == "public.accounts").unwrap();
    let with = BTreeSet::from([ColumnId { relation: oid(accounts), number: 2 }]);
    let unique = Compared { written: BTreeSet::from([2]), with, occasion: Occasion::Writing };
    match name {
        "accounts" => {
            let refs = RELATIONS.iter().position(|(name, ..)| *name == "public.refs").unwrap();
            let with = BTreeSet::from([ColumnId { relation: oid(refs), number: 2 }]);
            let referred = Compared { with, occasion: Occasion::WritingOrRemoval, ..unique.clone() };
            vec![unique, referred]
        }
        "refs" => vec![unique],
        _ => Vec::new(),
    }
}

fn relation_called(name: &str) -> u32 {
    oid(RELATIONS.iter().position(|(known, ..)| *known == name).unwrap())
}

/// `tickets` has triggers, one of them trusted, and `parts`, which refers to it, has one. Defaults of `parts` call functions.
fn firings() -> Vec<Firing> {
    let calls = |name: &str| FunctionName { schema: "public".into(), name: name.into() };
    let trigger = |relation, on, function| {
        let act = Act::Trigger { name: "fills".into(), calls: calls(function) };
        Firing { relation: relation_called(relation), on, act }
    };
    let default = |column, function| {
        let act = Act::Default { column, calls: calls(function) };
        Firing { relation: relation_called("public.parts"), on: Effect::INSERT | Effect::UPDATE, act }
    };
    vec![
        trigger("public.tickets", Effect::INSERT, "writes"),
        trigger("public.tickets", Effect::UPDATE, "trusted"),
        trigger("public.parts", Effect::DELETE, "writes"),
        default(3, "reads"),
        default(4, "computes"),
    ]
}

fn function(name: &str, volatility: Volatility) -> Function {
    Function {
        schema: "public".into(),
        name: name.into(),
        volatility,
        returns_set: false,
        arguments_min: 0,
        arguments_max: 9,
    }
}

fn builtins() -> Vec<(Box<str>, Builtin)> {
    let all = |names: &'static str, volatility, returns_set| {
        names.split_whitespace().map(move |name| (Box::from(name), Builtin { volatility, returns_set }))
    };
    all(IMMUTABLE, Volatility::Immutable, false)
        .chain(all(STABLE, Volatility::Stable, false))
        .chain(all(VOLATILE, Volatility::Volatile, false))
        .chain(all(SETS, Volatility::Immutable, true))
        .collect()
}

pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::from(SchemaParts {
        relations: (0..RELATIONS.len()).map(relation).collect(),
        functions: vec![
            function("computes", Volatility::Immutable),
            function("reads", Volatility::Stable),
            function("writes", Volatility::Volatile),
            function("trusted", Volatility::Volatile),
            function("l2_distance", Volatility::Immutable),
            function("vector_eq", Volatility::Immutable),
            function("odd_eq", Volatility::Volatile),
            // An overload of a built-in name for a type that users made.
            function("sum", Volatility::Immutable),
        ],
        operators: vec![
            ("<->".into(), "l2_distance".into()),
            ("=".into(), "vector_eq".into()),
            ("===".into(), "odd_eq".into()),
        ],
        builtins: builtins(),
        functions_of_builtin_types: ["computes", "reads", "writes", "trusted"].map(Box::from).into(),
        operators_of_builtin_types: HashSet::from(["===".into()]),
        vector_types: HashSet::from([VECTOR]),
        vector_array_types: HashSet::new(),
        domains_over_text: HashSet::from([CODE]),
        plain_types: HashSet::from([CODE, MOOD]),
        search_path: vec!["public".into()],
        firings: firings(),
        followers: vec![(
            relation_called("public.tickets"),
            Follower::Refers(relation_called("public.parts")),
        )],
        foreign_keys: Vec::new(),
        partition_keys: vec![ColumnId { relation: relation_called("public.parted"), number: 2 }],
        limited: ["public.checked", "public.v_within"]
            .map(|name| ColumnId { relation: relation_called(name), number: 2 })
            .to_vec(),
    })
});

pub(super) struct Rules;

pub(super) fn rules() -> Rules {
    Rules
}

/// What a rule says of the column: nothing where there is none, an empty word where all of it is hidden.
fn rule(column: ColumnId) -> Option<&'static str> {
    // What the session has made has no number yet.
    let index = usize::try_from(column.relation.checked_sub(20_000)?).unwrap();
    let number = usize::try_from(column.number - 1).unwrap();
    RELATIONS[index].2.split_whitespace().nth(number).unwrap().split_once('!').map(|(_, rule)| rule)
}

impl Protection for Rules {
    fn is_protected(&self, column: ColumnId) -> bool {
        rule(column).is_some()
    }

    fn is_vouched_for(&self, schema: &str, function: &str) -> bool {
        (schema, function) == ("public", "trusted")
    }

    fn hides(&self, destination: ColumnId, source: Option<ColumnId>) -> bool {
        rule(destination).is_some_and(|here| here.is_empty() || source.and_then(rule) == Some(here))
    }
}
