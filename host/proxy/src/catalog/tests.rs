//! The catalogue of a real PostgreSQL, read as sessions read it.

use std::collections::BTreeSet;
use std::time::Duration;

use grille_core::{Decision, Effect, Obligation, Privilege, Role, RowShaping, Treatment, UpstreamName};
use grille_harness::{PostgresOptions, PostgresServer};
use grille_wire::sql::lineage::Protection;
use grille_wire::sql::schema::{
    Act, Collation, ColumnId, Compared, Firing, Follower, FunctionName, Occasion, Relation, RelationKind,
    Volatility,
};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use super::*;
use crate::settings::{SecretSource, UpstreamSettings, UpstreamTls, WeakAuthentication};

const OBJECTS: &str = "
CREATE SCHEMA app;
CREATE TABLE app.users (id int PRIMARY KEY, gone int, ssn text UNIQUE, email varchar(40), born date,
    half text GENERATED ALWAYS AS (left(ssn, 4)) STORED, CHECK (ssn <> email), CHECK (id > 0));
ALTER TABLE app.users DROP COLUMN gone;
CREATE UNIQUE INDEX ON app.users (lower(email));
CREATE UNIQUE INDEX ON app.users (id) INCLUDE (born) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX ON app.users ((users IS NOT NULL));
CREATE TABLE app.orders (id int PRIMARY KEY, user_id int REFERENCES app.users);
CREATE VIEW app.v AS SELECT id, email AS mail FROM app.users;
CREATE MATERIALIZED VIEW app.m AS SELECT count(*) FROM app.orders;
CREATE TABLE app.events (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2024 PARTITION OF app.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE SEQUENCE app.numbers;
CREATE FUNCTION app.f(a int, b int DEFAULT 1) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION app.g(VARIADIC a int[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE app.pair AS (a int, b int);
CREATE FUNCTION app.h(a app.pair) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE app.last(int) (sfunc = int4larger, stype = int);
CREATE OPERATOR app.@@@ (rightarg = app.pair, function = app.h);
CREATE DOMAIN app.short AS varchar(9);
CREATE DOMAIN app.shorter AS app.short CHECK (length(value) < 5);
";

struct Fixture {
    server: PostgresServer,
    catalog: Catalog,
    metrics: Metrics,
    _secrets: TempDir,
}

impl Fixture {
    fn start() -> Self {
        let server = PostgresServer::start(&PostgresOptions::default()).expect("PostgreSQL");
        let admin = server.admin();
        let secrets = tempfile::tempdir().expect("a directory");
        let password = secrets.path().join("password");
        std::fs::write(&password, &admin.password).expect("a file");
        let settings = UpstreamSettings {
            name: UpstreamName::new("app"),
            host: "127.0.0.1".to_owned(),
            port: server.port(),
            database: admin.database.clone(),
            user: admin.user.clone(),
            password: Some(SecretSource::File(password)),
            tls: UpstreamTls::Disable,
            weak_authentication: WeakAuthentication::default(),
            connect_timeout: Duration::from_secs(20),
        };
        let upstream = Arc::new(Upstream::new(Arc::new(settings)).expect("usable settings"));
        let metrics = Metrics::register(&mut Registry::default());
        Self { server, catalog: Catalog::new(upstream), metrics, _secrets: secrets }
    }

    fn run(&self, sql: &str) {
        self.server.sql_admin(&self.server.admin().database, sql).expect(sql);
    }

    /// The catalogue after somebody has defined something.
    async fn read(&self) -> Arc<Snapshot> {
        self.catalog.expire();
        self.catalog.fresh(&self.metrics).await.expect("a catalogue")
    }
}

fn relation<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Relation {
    let mut named = snapshot.schema().relations_named(name).filter(|relation| &*relation.schema == "app");
    named.next().unwrap_or_else(|| panic!("no relation {name}"))
}

fn column(snapshot: &Snapshot, table: &str, name: &str) -> ColumnId {
    let relation = relation(snapshot, table);
    let column = relation.column(name).unwrap_or_else(|| panic!("no column {name}"));
    ColumnId { relation: relation.oid, number: column.number }
}

fn role(columns: &[(&str, Treatment)]) -> Role {
    Role {
        name: grille_core::RoleName::new("r"),
        groups: vec![],
        upstreams: vec![],
        statements: Effect::all(),
        policies: vec![],
        detectors: vec![],
        treatments: std::collections::BTreeMap::new(),
        default_treatment: Treatment::Redact,
        columns: columns
            .iter()
            .map(|(pattern, treatment)| (pattern.parse().expect("a pattern"), treatment.clone()))
            .collect(),
        row_shaping: RowShaping::default(),
        privileges: Privilege::empty(),
        functions: vec![],
        vectors: grille_core::role::VectorAccess::default(),
        tokens: grille_core::role::TokenUse::default(),
        row_cap: None,
    }
}

fn treatment(snapshot: &Snapshot, rules: &[(&str, Treatment)], id: ColumnId) -> Option<Treatment> {
    let rules = Rules::of(&role(rules), &Decision::allow());
    let protected = snapshot.protected(&rules).expect("protected columns");
    protected.rule(id).map(|rule| rule.treatment.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_read_as_it_is() {
    let fixture = Fixture::start();
    fixture.run(OBJECTS);
    let snapshot = fixture.read().await;
    let schema = snapshot.schema();

    let users = relation(&snapshot, "users");
    let names: Vec<&str> = users.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["id", "ssn", "email", "born", "half"]);
    let numbers: Vec<i16> = users.columns.iter().map(|column| column.number).collect();
    assert_eq!(numbers, [1, 3, 4, 5, 6], "a dropped column leaves its number");
    assert_eq!((users.columns[2].type_oid, users.columns[2].typmod), (1043, 44));
    assert!(users.columns[4].generated.as_deref().is_some_and(|text| text.contains("ssn")));
    assert!(users.columns[1].generated.is_none());

    let view = relation(&snapshot, "v");
    assert_eq!(view.kind, RelationKind::View);
    assert!(view.definition.as_deref().is_some_and(|text| text.contains("app.users")), "{view:?}");
    assert!(relation(&snapshot, "m").definition.is_some());
    assert_eq!(relation(&snapshot, "numbers").kind, RelationKind::Table);
    let parent = relation(&snapshot, "events").oid;
    assert_eq!(relation(&snapshot, "events_2024").parents, [parent]);
    assert!(schema.relations_named("pg_class").all(Relation::is_system));
    assert!(schema.relations_named("columns").any(|relation| &*relation.schema == "information_schema"));

    let path: Vec<&str> = schema.search_path().iter().map(|schema| &**schema).collect();
    assert_eq!(path, ["pg_catalog", "public"]);
    let base = schema.relations_named("users").count();
    assert_eq!(base, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writing_compares_is_known_column_by_column() {
    let fixture = Fixture::start();
    fixture.run(OBJECTS);
    let snapshot = fixture.read().await;
    let users = relation(&snapshot, "users");
    let here = |columns: &[i16]| Compared {
        written: columns.iter().copied().collect(),
        with: columns.iter().map(|number| ColumnId { relation: users.oid, number: *number }).collect(),
        occasion: Occasion::Writing,
    };
    let orders = relation(&snapshot, "orders");
    let user_id = ColumnId { relation: orders.oid, number: 2 };
    let key = ColumnId { relation: users.oid, number: 1 };
    let occasion = Occasion::WritingOrRemoval;
    let referred = Compared { written: BTreeSet::from([1]), with: BTreeSet::from([user_id]), occasion };
    let expected = [
        (here(&[1]), "the primary key"),
        (here(&[3]), "UNIQUE"),
        (here(&[4]), "an expression over one column"),
        (here(&[1, 4, 5]), "a predicate counts, and INCLUDE beside one"),
        (here(&[1, 3, 4, 5, 6]), "a whole row"),
        (here(&[3, 4]), "a check of two columns"),
        (referred, "what refers to it"),
    ];
    for (compared, why) in &expected {
        assert!(users.compared.contains(compared), "{why}: {:?}", users.compared);
    }
    assert_eq!(users.compared.len(), expected.len(), "{:?}", users.compared);
    let (written, with) = (BTreeSet::from([2]), BTreeSet::from([key]));
    let refers = Compared { written, with, occasion: Occasion::Writing };
    assert!(orders.compared.contains(&refers), "{:?}", orders.compared);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_operators_and_types_are_known() {
    let fixture = Fixture::start();
    fixture.run(OBJECTS);
    let snapshot = fixture.read().await;
    let schema = snapshot.schema();
    let check = |name: &str, volatility, returns_set, arguments: (u16, u16), builtin_types| {
        let [function] = schema.functions_named(name) else { panic!("not one {name}") };
        assert_eq!(function.volatility, volatility, "{name}");
        assert_eq!(function.returns_set, returns_set, "{name}");
        assert_eq!((function.arguments_min, function.arguments_max), arguments, "{name}");
        assert_eq!(schema.function_takes_builtin_types(name), builtin_types, "{name}");
    };
    check("f", Volatility::Stable, true, (1, 2), true);
    check("g", Volatility::Volatile, false, (0, u16::MAX), true);
    check("h", Volatility::Immutable, false, (1, 1), false);
    check("last", Volatility::Immutable, false, (1, 1), true);
    let builtin = |name: &str| schema.builtin(name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(builtin("upper").volatility, Volatility::Immutable);
    assert_eq!(builtin("now").volatility, Volatility::Stable);
    assert_eq!(builtin("random").volatility, Volatility::Volatile);
    assert!(builtin("generate_series").returns_set && !builtin("length").returns_set);
    assert!(schema.builtin("f").is_none());
    assert_eq!(schema.operators_named("@@@"), [Box::from("h")]);
    assert!(!schema.operator_takes_builtin_types("@@@"));
    fixture.run("CREATE TABLE app.domains (s app.short, t app.shorter)");
    let snapshot = fixture.read().await;
    for number in [1, 2] {
        let domain = &relation(&snapshot, "domains").columns[number - 1];
        assert_eq!(snapshot.base_type(domain.type_oid, -1), (1043, 13), "{domain:?}");
    }
    assert_eq!(snapshot.base_type(25, -1), (25, -1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_changes_with_the_content_only() {
    let fixture = Fixture::start();
    fixture.run("CREATE SCHEMA app; CREATE TABLE app.t (a int)");
    let first = fixture.read().await;
    fixture.run("INSERT INTO app.t VALUES (1)");
    let second = fixture.read().await;
    assert_eq!(first.version(), second.version());
    assert!(Arc::ptr_eq(&first, &second));
    fixture.run("ALTER TABLE app.t ADD b int");
    assert!(Arc::ptr_eq(&second, &fixture.catalog.fresh(&fixture.metrics).await.expect("fresh")), "not yet");
    let third = fixture.read().await;
    assert_ne!(second.version(), third.version());
    assert_eq!(relation(&third, "t").columns.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_askers_share_one_reading() {
    let fixture = Arc::new(Fixture::start());
    let before = fixture.server.connections_opened().expect("a log");
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(
                async move { fixture.catalog.fresh(&fixture.metrics).await.map(|read| read.version()) },
            )
        })
        .collect();
    let mut versions = BTreeSet::new();
    for asker in askers {
        versions.insert(asker.await.expect("no panic").expect("a catalogue"));
    }
    assert_eq!(versions.len(), 1);
    assert_eq!(fixture.server.connections_opened().expect("a log") - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_cannot_be_read_is_an_error_and_comes_back() {
    let mut fixture = Fixture::start();
    fixture.server.stop().expect("stopped");
    assert!(fixture.catalog.fresh(&fixture.metrics).await.is_err());
    assert!(fixture.catalog.latest().is_none());
    fixture.server.restart().expect("started");
    assert!(fixture.catalog.fresh(&fixture.metrics).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_name_columns_by_all_the_names_they_had() {
    let fixture = Fixture::start();
    fixture.run("CREATE SCHEMA app; CREATE TABLE app.t (ssn text, card text, note text)");
    let rules =
        [("app.t.ssn", Treatment::Token), ("*.*.ssn", Treatment::Redact), ("app.t.note", Treatment::Keep)];
    let first = fixture.read().await;
    let ssn = column(&first, "t", "ssn");
    assert_eq!(treatment(&first, &rules, ssn), Some(Treatment::Redact), "the strictest");
    assert_eq!(treatment(&first, &rules, column(&first, "t", "card")), None);
    assert_eq!(treatment(&first, &rules, column(&first, "t", "note")), None, "kept is not protected");

    fixture.run("ALTER TABLE app.t RENAME ssn TO x");
    fixture.run("ALTER TABLE app.t RENAME TO u");
    let second = fixture.read().await;
    assert_eq!(treatment(&second, &rules, ssn), Some(Treatment::Redact), "under its former name");
    fixture.run("ALTER TABLE app.u RENAME x TO y");
    assert_eq!(treatment(&*fixture.read().await, &rules, ssn), Some(Treatment::Redact), "still");
    fixture.run("ALTER TABLE app.u RENAME card TO ssn");
    let last = fixture.read().await;
    assert_eq!(
        treatment(&last, &rules, column(&last, "u", "ssn")),
        Some(Treatment::Redact),
        "under its new one"
    );
}

#[test]
fn an_obligation_makes_rules_stricter_never_laxer() {
    let of = |treatment: Treatment| {
        let pattern = "app.t.ssn".parse().expect("a pattern");
        let obliged = Decision::allow().with(Obligation::Mask(pattern, treatment));
        Rules::of(&role(&[("app.t.ssn", Treatment::Token)]), &obliged)
    };
    let plain = Rules::of(&role(&[("app.t.ssn", Treatment::Token)]), &Decision::allow());
    assert_eq!(of(Treatment::KeepLast(4)), plain);
    assert_ne!(of(Treatment::Null), plain);
    assert!(!of(Treatment::Keep).is_empty());
    let none = role(&[]);
    assert!(Rules::of(&none, &Decision::allow()).is_empty());
    assert!(Rules::of(&role(&[("*.*.note", Treatment::Keep)]), &Decision::allow()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_elsewhere_must_show_no_more_there() {
    let fixture = Fixture::start();
    fixture.run("CREATE SCHEMA app; CREATE TABLE app.t (a text, b text, plain text)");
    let snapshot = fixture.read().await;
    let [a, b, plain] = ["a", "b", "plain"].map(|name| column(&snapshot, "t", name));
    let hides = |from: Treatment, to: Treatment, decision: &Decision, source: Option<ColumnId>| {
        let rules = Rules::of(&role(&[("app.t.a", from), ("app.t.b", to)]), decision);
        snapshot.protected(&rules).expect("protected columns").hides(b, source)
    };
    let check = |from: Treatment, to: Treatment, copied: bool, computed: bool| {
        let said = format!("{from} to {to}");
        let allow = Decision::allow();
        assert_eq!(hides(from.clone(), to.clone(), &allow, Some(a)), copied, "{said}");
        assert_eq!(hides(from, to, &allow, None), computed, "{said}, computed");
    };
    use Treatment::{KeepLast, Null, Redact, Token};
    check(Redact, Redact, true, true);
    check(KeepLast(4), Redact, true, true);
    check(Token, Null, true, true);
    check(Null, Redact, false, true);
    check(Redact, KeepLast(4), false, false);
    check(KeepLast(4), KeepLast(4), true, false);
    check(KeepLast(2), KeepLast(4), false, false);
    // Each has a rule of its own, so tokens that come back would tell which values of the two are equal.
    check(Token, Token, false, false);
    let rot = || Treatment::Plugin("rot".into());
    check(rot(), rot(), false, false);
    let one = Rules::of(&role(&[("app.t.a", Redact)]), &Decision::allow());
    assert!(!snapshot.protected(&one).expect("protected columns").hides(plain, Some(a)), "not protected");

    // A policy's obligation protects what is read now, and is no promise for what is stored.
    let obliged = Decision::allow().with(Obligation::Mask("app.t.b".parse().expect("a pattern"), Null));
    assert!(!hides(Redact, KeepLast(4), &obliged, Some(a)));
    assert!(!hides(Redact, Treatment::Keep, &obliged, Some(a)));
    assert!(hides(Redact, Redact, &obliged, Some(a)));
    let rules = Rules::of(&role(&[("app.t.a", Redact)]), &obliged);
    assert!(snapshot.protected(&rules).expect("protected columns").is_protected(b));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_foreign_key_ties_has_one_rule() {
    let fixture = Fixture::start();
    fixture.run(
        "CREATE SCHEMA app; CREATE TABLE app.p (a text, b text, UNIQUE (b, a));
         CREATE TABLE app.c (x text, y text, z text, FOREIGN KEY (x, y) REFERENCES app.p (b, a))",
    );
    let snapshot = fixture.read().await;
    let rules = [("app.p.b", Treatment::KeepLast(4)), ("app.c.y", Treatment::KeepLast(3))];
    let found = |table, name| treatment(&snapshot, &rules, column(&snapshot, table, name));
    assert_eq!(found("c", "x"), Some(Treatment::KeepLast(4)));
    assert_eq!(found("p", "a"), Some(Treatment::KeepLast(3)));
    assert_eq!(found("c", "z"), None);
    let rules = [("app.p.b", Treatment::KeepLast(4)), ("app.c.x", Treatment::KeepLast(3))];
    for (table, name) in [("p", "b"), ("c", "x")] {
        let of = treatment(&snapshot, &rules, column(&snapshot, table, name));
        assert_eq!(of, Some(Treatment::KeepLast(3)), "the one that shows less");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_keys_checks_and_collations_are_known() {
    let fixture = Fixture::start();
    fixture.run(
        "CREATE SCHEMA app;
         CREATE COLLATION app.loose (provider = icu, locale = 'und', deterministic = false);
         CREATE TABLE app.whole (id int, k text, v text CHECK (v <> '')) PARTITION BY LIST (k);
         CREATE TABLE app.part PARTITION OF app.whole FOR VALUES IN ('a') PARTITION BY RANGE (id);
         CREATE TABLE app.leaf PARTITION OF app.part DEFAULT;
         CREATE TABLE app.by_expression (a text, b text) PARTITION BY LIST (upper(a));
         CREATE TABLE app.texts (a text, b text COLLATE \"C\", c text COLLATE app.loose, d name, e int,
             f int GENERATED ALWAYS AS (1 / e) STORED);
         CREATE INDEX ON app.texts (b) INCLUDE (d);
         CREATE VIEW app.within AS SELECT a, b FROM app.texts WHERE b > 'x' WITH LOCAL CHECK OPTION;
         CREATE VIEW app.within_not AS SELECT a, b FROM app.texts WHERE b > 'x';
         CREATE INDEX ON app.texts ((c || 'x'))",
    );
    let snapshot = fixture.read().await;
    let schema = snapshot.schema();
    let oid = |name: &str| relation(&snapshot, name).oid;
    let key = |table, name| column(&snapshot, table, name);
    assert_eq!(schema.bounded_by(oid("whole")), []);
    assert_eq!(schema.divided_by(oid("whole")), [key("whole", "k"), key("part", "id")]);
    assert_eq!(schema.bounded_by(oid("part")), [key("whole", "k")]);
    assert_eq!(schema.bounded_by(oid("leaf")), [key("whole", "k"), key("part", "id")]);
    assert_eq!(schema.divided_by(oid("leaf")), []);
    let expression = oid("by_expression");
    assert_eq!(schema.divided_by(expression), [key("by_expression", "a"), key("by_expression", "b")]);
    for table in ["whole", "part", "leaf"] {
        for name in ["id", "k", "v"] {
            assert!(schema.is_limited(key(table, name)), "{table}.{name}");
        }
    }
    let limited: Vec<&str> = relation(&snapshot, "texts")
        .columns
        .iter()
        .map(|column| &*column.name)
        .filter(|name| schema.is_limited(key("texts", name)))
        .collect();
    assert!(schema.is_limited(key("within", "a")) && !schema.is_limited(key("within_not", "a")));
    assert_eq!(
        limited,
        ["b", "c", "d", "e"],
        "indexed, stored in an index, in its expression, in a generated column"
    );
    let collations: Vec<Collation> =
        relation(&snapshot, "texts").columns.iter().map(|column| column.collation).collect();
    let [Collation::Usual, Collation::C, Collation::Loose(loose), Collation::C, Collation::Usual, _] =
        collations[..]
    else {
        panic!("{collations:?}")
    };
    assert!(loose > 16_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_says_what_is_behind_a_number() {
    let fixture = Fixture::start();
    fixture.run(OBJECTS);
    let snapshot = fixture.read().await;
    let (ssn, mail) = (column(&snapshot, "users", "ssn"), column(&snapshot, "v", "mail"));
    assert_eq!(snapshot.origin(0, 0), Origin::Computed);
    assert_eq!(snapshot.origin(ssn.relation, ssn.number), Origin::Stored(ssn));
    assert_eq!(snapshot.origin(mail.relation, mail.number), Origin::Viewed(mail));
    assert_eq!(snapshot.origin(ssn.relation, 99), Origin::Unknown);
    assert_eq!(snapshot.origin(u32::MAX, 1), Origin::Unknown);
    assert_eq!(snapshot.name(ssn).as_deref(), Some("app.users.ssn"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_by_itself_when_rows_are_written_is_known() {
    let fixture = Fixture::start();
    fixture.run(
        "CREATE SCHEMA app;
         CREATE FUNCTION app.says() RETURNS text LANGUAGE sql AS 'SELECT 1::text';
         CREATE FUNCTION app.told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TABLE app.fires (id int PRIMARY KEY, line text DEFAULT app.says(), n int DEFAULT abs(1));
         CREATE TABLE app.follows (id int REFERENCES app.fires ON DELETE CASCADE);
         CREATE VIEW app.over_fires AS SELECT id FROM app.fires;
         CREATE TRIGGER told BEFORE INSERT OR UPDATE ON app.fires FOR EACH ROW EXECUTE FUNCTION app.told();
         CREATE TRIGGER same BEFORE UPDATE ON app.fires FOR EACH ROW
             EXECUTE FUNCTION suppress_redundant_updates_trigger();
         CREATE RULE also AS ON DELETE TO app.fires DO ALSO NOTIFY gone",
    );
    let snapshot = fixture.read().await;
    let schema = snapshot.schema();
    let [fires, follows, view] = ["fires", "follows", "over_fires"].map(|name| relation(&snapshot, name).oid);
    let calls = |name: &str| FunctionName { schema: "app".into(), name: name.into() };
    let firing = |on, act| Firing { relation: fires, on, act };
    let changes = Effect::INSERT | Effect::UPDATE;
    let expected = [
        firing(changes, Act::Default { column: 2, calls: calls("says") }),
        firing(Effect::DELETE, Act::Rule { name: "also".into() }),
        firing(changes, Act::Trigger { name: "told".into(), calls: calls("told") }),
    ];
    assert_eq!(schema.firings_of(fires), expected);
    assert_eq!(schema.followers_of(fires), [Follower::Refers(follows)]);
    assert_eq!(schema.followers_of(view), [Follower::Underlies(fires)]);
}

/// Runs SQL over a connection of its own, and leaves it as it is then.
async fn hold(fixture: &Fixture, sql: &str) -> UpstreamConnection {
    let mut connection = fixture.catalog.upstream.connect(&[]).await.expect("a connection");
    ask(&mut connection, sql).await.expect(sql);
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_s_open_transaction_is_waited_for() {
    let fixture = Fixture::start();
    fixture.run(OBJECTS);
    let whole = fixture.read().await;
    assert!(!whole.is_partial());
    let definition = |snapshot: &Snapshot| relation(snapshot, "v").definition.clone();
    for sql in [
        "BEGIN; ALTER VIEW app.v RENAME TO w",
        "BEGIN; LOCK TABLE app.users",
        "BEGIN; ALTER TABLE app.users ADD extra int",
    ] {
        let mut connection = hold(&fixture, sql).await;
        let partial = tokio::time::timeout(PATIENCE, fixture.read()).await.expect(sql);
        assert_eq!(definition(&partial), None, "{sql}");
        assert!(partial.is_partial() && definition(&whole).is_some(), "{sql}");
        ask(&mut connection, "ROLLBACK").await.expect(sql);
        assert_eq!(definition(&*fixture.read().await), definition(&whole), "{sql}");
    }
    let mut connection = hold(&fixture, "BEGIN; LOCK TABLE app.users").await;
    let partial = fixture.read().await;
    let half = relation(&partial, "users").column("half").and_then(|column| column.generated.as_deref());
    assert_eq!(half, Some(query::UNREADABLE), "a generated column counts as made of all others");
    ask(&mut connection, "ROLLBACK").await.expect("the lock is given back");
}

/// Less than the server would wait for a lock before the reading is given up.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn what_gets_in_the_way_of_others_of_its_name_is_told_apart_by_when() {
    let fixture = Fixture::start();
    fixture.run(
        "CREATE SCHEMA app; CREATE SCHEMA other; CREATE TABLE app.t (a int); CREATE TABLE app.u (a int)",
    );
    let first = fixture.read().await;
    let before = crate::moment::now();
    assert_eq!(first.appeared_since(0).count(), 0, "nothing is known of before");
    fixture.run("CREATE TABLE other.t (a int); CREATE TABLE other.alone (a int)");
    let second = fixture.read().await;
    assert_eq!(second.appeared_since(before).collect::<Vec<_>>(), [("other", "t")]);
    assert_eq!(second.appeared_since(crate::moment::now()).count(), 0);
    fixture.run("CREATE TABLE other.u (a int); DROP TABLE other.t");
    let third = fixture.read().await;
    assert_eq!(third.appeared_since(before).collect::<Vec<_>>(), [("other", "u")]);
}
