//! What is computed from protected columns, wherever the computation hides, and what a statement uses them for beside its
//! result: through views and copies, names that mean something else, results of several statements, cursors and pipelines.

use std::sync::LazyLock;

use anyhow::Context;
use grille_e2e::raw::{
    PROTOCOL_3_0, bind, execute, extended, message, parse, query, startup, sync, tags, text,
};
use grille_e2e::{Message, Raw, Stage, Turns};
use grille_harness::sample;

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let stage = Stage::with_policy(&roles(), "").expect("the stage is set");
    stage.application.direct.psql_strict(TABLES).and_then(grille_harness::Ran::ok).expect("tables");
    stage
});

const TABLES: &str = "
CREATE TABLE users (id int PRIMARY KEY, name text, ssn text UNIQUE, born date,
    half text GENERATED ALWAYS AS (left(ssn, 4)) STORED);
INSERT INTO users VALUES (1, 'Ada', '911-22-3344', '1984-05-17'), (2, 'Bob', '922-33-4455', NULL), (3, 'Cy', NULL, NULL);
CREATE TABLE purchases (id int PRIMARY KEY, user_id int REFERENCES users, total numeric);
INSERT INTO purchases VALUES (10, 1, 5), (11, 1, 7), (12, 2, 9);
CREATE VIEW half_view AS SELECT id, left(ssn, 6) AS e FROM users;
CREATE VIEW nested_view AS SELECT upper(e) AS f, id FROM half_view;
CREATE VIEW clean_view AS SELECT id, name FROM users;
CREATE MATERIALIZED VIEW stored_view AS SELECT id, ssn || '!' AS s FROM users;
CREATE TABLE events (at date, secret text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO events VALUES ('2024-02-02', '911-22-3344');
CREATE TABLE parted (id int, secret text) PARTITION BY LIST (secret);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
INSERT INTO parted VALUES (1, 'a');
CREATE TABLE badges (label text, ssn text REFERENCES users (ssn));
INSERT INTO badges VALUES ('one', '911-22-3344'), ('two', '922-33-4455');
CREATE TABLE contacts (id int PRIMARY KEY, phone text, other text, secret text, checked text CHECK (checked < 'm'));
INSERT INTO contacts VALUES (1, '+1 555 0100', '+1 555 0199', NULL, NULL);
CREATE TABLE letters (c text COLLATE \"C\", p text COLLATE \"POSIX\");
INSERT INTO letters VALUES ('a', 'b');
CREATE SCHEMA scratch;
CREATE TABLE scratch.users (id int, name text, ssn text);
INSERT INTO scratch.users VALUES (1, 'free', 'not secret');
CREATE FUNCTION peek() RETURNS text VOLATILE LANGUAGE sql AS 'SELECT ssn FROM users LIMIT 1';
CREATE FUNCTION stable_peek() RETURNS text STABLE LANGUAGE sql AS 'SELECT ssn FROM users LIMIT 1';
CREATE FUNCTION twice(int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE PROCEDURE work() LANGUAGE sql AS 'SELECT 1';
";

/// What must not come out: the values of `ssn`, and pieces of them.
const CANARIES: [&str; 6] = ["911-", "922-", "3344", "4455", "-22-", "-33-"];

fn roles() -> String {
    let role = |name: &str, more: &str| {
        format!(
            "\n[[role]]\nname = {name:?}\ngroups = [{name:?}]\nupstreams = [{:?}]\n\
             statements = [\"read\", \"write\", \"define\", \"transaction\", \"session\", \"execute\", \"notify\", \"lock\", \
             \"maintain\"]\npolicies = []\ndetectors = []\n\
             columns = {{ \"public.users.ssn\" = \"redact\", \"public.events.secret\" = \"redact\", \
             \"public.parted.secret\" = \"redact\", \"public.contacts.phone\" = \"keep-last:4\", \
             \"public.contacts.other\" = \"keep-last:4\", \"public.contacts.secret\" = \"redact\", \
             \"public.contacts.checked\" = \"redact\" }}\n{more}\n",
            sample::DATABASE
        )
    };
    role("strict", "functions = [\"public.twice\"]")
        + &role("equal", "row_shaping = \"equality\"")
        + &role("open", "row_shaping = \"allow\"")
        + &role(
            "granted",
            "privileges = [\"procedures\", \"volatile-functions\", \"copy-protected\", \"settings\"]",
        )
}

/// A session of somebody in `group`.
fn session(group: &str) -> anyhow::Result<Raw> {
    session_with(group, &[])
}

fn session_with(group: &str, more: &[(&str, &str)]) -> anyhow::Result<Raw> {
    session_at(&STAGE, group, more)
}

fn session_at(stage: &Stage, group: &str, more: &[(&str, &str)]) -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(stage.grille.plaintext_port())?;
    raw.send(&startup(PROTOCOL_3_0, &[&[("user", "raw"), ("database", sample::DATABASE)], more].concat()))?;
    raw.until('R')?;
    raw.send(&message('p', &text(&stage.member_of(group)?.password)))?;
    raw.until('Z')?;
    Ok(raw)
}

/// What is answered to a simple query, with nothing protected in it.
fn ask(raw: &mut Raw, sql: &str) -> anyhow::Result<Vec<Message>> {
    raw.send(&query(sql))?;
    guarded(raw, sql)
}

fn guarded(raw: &mut Raw, sql: &str) -> anyhow::Result<Vec<Message>> {
    let answer = raw.until('Z')?;
    let said: String = answer.iter().map(Message::text).collect();
    let leaked: Vec<&&str> = CANARIES.iter().filter(|canary| said.contains(**canary)).collect();
    anyhow::ensure!(leaked.is_empty(), "{leaked:?} in {said}: {sql}");
    Ok(answer)
}

/// The cells of a result, row by row, `|` between them.
fn cells(answer: &[Message]) -> Vec<String> {
    answer.iter().filter(|message| message.tag == 'D').map(row).collect()
}

fn row(message: &Message) -> String {
    let mut rest = &message.body[2..];
    let mut cells = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*length);
        let (cell, after) = after.split_at(usize::try_from(length).unwrap_or(0));
        cells.push(if length < 0 { "NULL".to_owned() } else { String::from_utf8_lossy(cell).into_owned() });
        rest = after;
    }
    cells.join("|")
}

/// What the client is told when the statement is refused, or else nothing.
fn refusal(answer: &[Message]) -> Option<String> {
    let error = answer.iter().find(|message| message.tag == 'E')?;
    (error.field('C').as_deref() == Some("42501")).then(|| error.field('M').unwrap_or_default())
}

/// The result of each statement under `group`, simple and extended.
fn check(group: &str, sql: &str, expected: &[&str]) -> anyhow::Result<()> {
    let mut raw = session(group)?;
    let answer = ask(&mut raw, sql)?;
    assert_eq!(cells(&answer), expected, "{group}: {sql}: {answer:?}");
    raw.send(&[extended(sql), sync()].concat())?;
    assert_eq!(cells(&guarded(&mut raw, sql)?), expected, "{group}, extended: {sql}");
    Ok(())
}

/// Refused in those words, and the session goes on.
fn check_refused(group: &str, sql: &str, words: &str) -> anyhow::Result<()> {
    let mut raw = session(group)?;
    let answer = ask(&mut raw, sql)?;
    let told = refusal(&answer).with_context(|| format!("{group}: not refused: {sql}: {answer:?}"))?;
    anyhow::ensure!(told.contains(words), "{group}: {sql}: {told}");
    raw.send(&[extended(sql), sync()].concat())?;
    anyhow::ensure!(refusal(&guarded(&mut raw, sql)?).is_some(), "{group}, extended: not refused: {sql}");
    anyhow::ensure!(tags(&ask(&mut raw, "SELECT 1")?) == "TDCZ");
    Ok(())
}

fn check_allowed(group: &str, sql: &str) -> anyhow::Result<()> {
    let answer = ask(&mut session(group)?, sql)?;
    anyhow::ensure!(answer.iter().all(|message| message.tag != 'E'), "{group}: {sql}: {answer:?}");
    Ok(())
}

#[test]
fn what_these_tests_look_for_would_be_seen() -> anyhow::Result<()> {
    let said = STAGE.application.direct.psql_strict("SELECT f FROM nested_view WHERE id = 1")?.ok()?;
    assert!(CANARIES.iter().any(|canary| said.contains(canary)), "{said}");
    Ok(())
}

#[test]
fn what_is_computed_gives_way_to_a_constant() -> anyhow::Result<()> {
    let masked = ["[redacted]"; 3];
    check("strict", "SELECT ssn FROM users ORDER BY id", &["[redacted]", "[redacted]", "NULL"])?;
    for expression in
        ["left(ssn, 4)", "ssn || 'x'", "upper(u.ssn)", "coalesce(ssn, 'none')", "(SELECT ssn)", "u::text"]
    {
        check("strict", &format!("SELECT {expression} FROM users u"), &masked)?;
    }
    check("strict", "SELECT length(ssn), id FROM users ORDER BY id", &["0|1", "0|2", "0|3"])?;
    check("strict", "SELECT count(ssn), count(*) FROM users", &["0|3"])?;
    check("strict", "WITH c AS (SELECT ssn || '' AS x, id FROM users) SELECT c.x FROM c", &masked)?;
    check("strict", "SELECT max(x) FROM (SELECT ssn || '' AS x FROM users) s", &["[redacted]"])?;
    check("strict", "SELECT half, born FROM users WHERE id = 1", &["[redacted]|1984-05-17"])
}

#[test]
fn views_hide_nothing() -> anyhow::Result<()> {
    let masked = ["[redacted]"; 3];
    check("strict", "SELECT e FROM half_view", &masked)?;
    check("strict", "SELECT f FROM nested_view", &masked)?;
    check("strict", "SELECT lower(f) FROM nested_view", &masked)?;
    check("strict", "SELECT s FROM stored_view", &masked)?;
    check("strict", "SELECT * FROM clean_view ORDER BY name", &["1|Ada", "2|Bob", "3|Cy"])?;
    check("strict", "SELECT name || '!' FROM clean_view ORDER BY id", &["Ada!", "Bob!", "Cy!"])?;
    check_refused("strict", "SELECT id FROM nested_view WHERE f = '911-22'", "public.users.ssn")
}

#[test]
fn partitions_are_protected_like_their_parent() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for table in ["events", "events_2024"] {
        check("strict", &format!("SELECT secret FROM {table}"), &["[redacted]"])?;
        check("strict", &format!("SELECT secret || '' FROM {table}"), &["[redacted]"])?;
        check_refused("strict", &format!("SELECT at FROM {table} WHERE secret LIKE '9%'"), "(WHERE)")?;
    }
    Ok(())
}

const SHAPING: [(&str, &str); 9] = [
    ("SELECT id FROM users WHERE ssn LIKE '9%'", "(WHERE)"),
    ("SELECT id FROM users ORDER BY ssn", "(ORDER BY)"),
    ("SELECT count(*) FROM users GROUP BY ssn", "(GROUP BY)"),
    ("SELECT count(*) FROM users HAVING max(ssn) > '9'", "(HAVING)"),
    ("SELECT DISTINCT ssn FROM users", "(DISTINCT)"),
    ("SELECT o.id FROM purchases o JOIN users u ON u.id = o.user_id AND left(u.ssn, 1) = '9'", "(ON)"),
    ("SELECT id, row_number() OVER (ORDER BY ssn) FROM users", "ssn"),
    ("SELECT ssn::int FROM users", "some values fail"),
    ("DELETE FROM purchases USING users WHERE users.id = user_id AND ssn > '9'", "(WHERE)"),
];

#[test]
fn a_protected_column_shapes_rows_only_if_the_role_lets_it() -> anyhow::Result<()> {
    for (sql, words) in SHAPING {
        for group in ["strict", "equal"] {
            check_refused(group, sql, words)?;
        }
    }
    for (sql, _) in SHAPING.iter().take(7) {
        check_allowed("open", sql)?;
    }
    let equal = "SELECT id FROM users WHERE ssn = '911-22-3344'";
    check_refused("strict", equal, "public.users.ssn")?;
    for group in ["equal", "open"] {
        // The literal is the client's own, and comes back in no message.
        assert_eq!(cells(&session(group)?.query(equal)?), ["1"]);
    }
    let insert = "INSERT INTO users (id, name, ssn) VALUES (90, 'x', 'y') ON CONFLICT DO NOTHING";
    check_refused("strict", insert, "stored values")?;
    check_allowed("equal", &format!("BEGIN; {insert}; ROLLBACK"))
}

#[test]
fn nothing_protected_is_in_the_way_of_other_columns() -> anyhow::Result<()> {
    for (sql, expected) in [
        (
            "SELECT u.name, sum(o.total) FROM users u JOIN purchases o ON o.user_id = u.id GROUP BY 1 ORDER BY 2 DESC",
            &["Ada|12", "Bob|9"][..],
        ),
        ("SELECT id, name FROM users WHERE name LIKE 'B%' OR id = 1 ORDER BY name DESC", &["2|Bob", "1|Ada"]),
        (
            "SELECT id FROM users u WHERE EXISTS (SELECT FROM purchases WHERE user_id = u.id) ORDER BY id",
            &["1", "2"],
        ),
        ("SELECT count(*), max(born) FROM users", &["3|1984-05-17"]),
        ("SELECT twice(id) FROM users ORDER BY id LIMIT 1", &["2"]),
        (
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
            &["1", "2", "3"],
        ),
        (
            "SELECT json_build_object('id', id, 'name', name) FROM users WHERE id = 1",
            &[r#"{"id" : 1, "name" : "Ada"}"#],
        ),
    ] {
        check("strict", sql, expected)?;
    }
    Ok(())
}

#[test]
fn copies_are_refused() -> anyhow::Result<()> {
    for sql in [
        "CREATE TABLE copied AS SELECT ssn AS x FROM users",
        "SELECT ssn AS x INTO copied FROM users",
        "CREATE TEMP TABLE copied AS SELECT left(ssn, 3) FROM users",
        "CREATE MATERIALIZED VIEW copied AS SELECT * FROM scratch.users UNION SELECT id, name, ssn FROM users",
        "INSERT INTO scratch.users SELECT id, name, ssn FROM users",
        "UPDATE scratch.users SET ssn = u.ssn FROM users u WHERE u.id = users.id",
        "UPDATE users SET name = ssn",
        "ALTER TABLE users RENAME COLUMN ssn TO x",
        "ALTER TABLE users RENAME TO others",
    ] {
        // A materialised view is followed by its definition.
        if sql.contains("MATERIALIZED") {
            continue;
        }
        check_refused("strict", sql, "copied to")?;
    }
    check_allowed("strict", "BEGIN; CREATE TEMP TABLE copied AS SELECT id, name FROM users; ROLLBACK")?;
    check_allowed("granted", "BEGIN; CREATE TEMP TABLE copied AS SELECT ssn FROM users; ROLLBACK")
}

#[test]
fn a_copy_shows_no_more_where_it_goes() -> anyhow::Result<()> {
    for sql in [
        "UPDATE contacts SET phone = ssn FROM users u WHERE u.id = contacts.id",
        "INSERT INTO contacts (id, phone) SELECT id + 100, ssn FROM users",
        "INSERT INTO contacts (id, secret) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET phone = contacts.secret",
        "MERGE INTO contacts c USING users u ON c.id = u.id WHEN MATCHED THEN UPDATE SET phone = u.ssn",
        "WITH w AS (UPDATE contacts SET phone = ssn FROM users RETURNING phone) SELECT phone FROM w",
        "UPDATE contacts SET phone = left(phone, 6)",
    ] {
        check_refused("strict", sql, "copied to")?;
    }
    for sql in [
        "UPDATE contacts SET secret = ssn FROM users u WHERE u.id = contacts.id",
        "UPDATE contacts SET other = phone",
        "INSERT INTO contacts (id, secret) SELECT id + 100, ssn FROM users",
    ] {
        check_allowed("strict", &format!("BEGIN; {sql}; ROLLBACK"))?;
    }
    check("strict", "SELECT phone, other, secret FROM contacts", &["+* *** 0100|+* *** 0199|NULL"])?;
    let checked = "INSERT INTO contacts (id, checked) SELECT id + 100, ssn FROM users";
    check_refused("strict", checked, "where some values fail (contacts.checked)")
}

#[test]
fn what_refers_to_a_protected_column_holds_it() -> anyhow::Result<()> {
    check("strict", "SELECT label, ssn FROM badges ORDER BY label", &["one|[redacted]", "two|[redacted]"])?;
    check("strict", "SELECT upper(ssn) FROM badges", &["[redacted]"; 2])?;
    check_refused("strict", "SELECT label FROM badges WHERE ssn LIKE '9%'", "public.badges.ssn")?;
    let join = "SELECT label, name FROM badges JOIN users USING (ssn) ORDER BY label";
    check_refused("strict", join, "(USING)")?;
    check("open", join, &["one|Ada", "two|Bob"])
}

#[test]
fn a_protected_partition_key_decides_nothing() -> anyhow::Result<()> {
    for (sql, words) in [
        ("SELECT id FROM parted_a", "the bounds of a partition"),
        ("DELETE FROM parted_a WHERE id = 1", "the bounds of a partition"),
        ("SELECT id FROM parted ORDER BY id", "the order of partitions"),
        ("SELECT tableoid FROM parted", "public.parted.secret"),
    ] {
        for group in ["strict", "equal"] {
            check_refused(group, sql, words)?;
        }
    }
    check("open", "SELECT tableoid, id FROM parted", &["0|1"])?;
    check("open", "SELECT tableoid <> 0, tableoid::regclass FROM events", &["t|events_2024"])?;
    check_allowed("strict", "BEGIN; INSERT INTO parted VALUES (2, 'a'); DELETE FROM parted; ROLLBACK")
}

#[test]
fn texts_that_do_not_compare_tell_nothing() -> anyhow::Result<()> {
    for (expression, culprit) in [("upper(c || p)", "(upper)"), ("c < p", "(<)")] {
        let sql = format!("SELECT CASE WHEN ssn = '911-22-3344' THEN {expression} END FROM users, letters");
        check_refused("strict", &sql, culprit)?;
    }
    check("strict", "SELECT upper(c), lower(p) || c FROM letters", &["A|ba"])
}

#[test]
fn names_mean_what_the_server_takes_them_for() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let computed = "SELECT ssn || '' FROM users WHERE id = 1";
    for path in ["scratch, public", "scratch"] {
        for mut raw in [session_with("strict", &[("search_path", path)])?, {
            let mut raw = session("strict")?;
            ask(&mut raw, &format!("SET search_path = {path}"))?;
            raw
        }] {
            // Not protected there; after SET a name may be any table's, so the second is masked for safety.
            let told = cells(&ask(&mut raw, computed)?);
            assert!(told == ["not secret"] || told == ["[redacted]"], "{told:?}");
            assert_eq!(cells(&ask(&mut raw, "SELECT ssn FROM users")?), ["not secret"], "{path}");
        }
    }
    let mut raw = session_with("strict", &[("search_path", "scratch, public")])?;
    assert_eq!(cells(&ask(&mut raw, computed)?), ["not secret"], "a startup's path is known");
    // The table of the path's first schema is away: the name means the protected one.
    let mut raw = session("strict")?;
    for setup in ["SET search_path = scratch, public", "BEGIN", "DROP TABLE scratch.users"] {
        ask(&mut raw, setup)?;
    }
    ask(&mut raw, computed)?;
    ask(&mut raw, "SELECT left(ssn, 5), name FROM users")?;
    ask(&mut raw, "ROLLBACK")?;
    // A temporary table hides it.
    let mut raw = session("strict")?;
    ask(&mut raw, "CREATE TEMP TABLE users (id int, ssn text)")?;
    ask(&mut raw, "INSERT INTO users VALUES (1, 'mine')")?;
    ask(&mut raw, computed)?;
    ask(&mut raw, "DISCARD TEMP")?;
    assert_eq!(cells(&ask(&mut raw, computed)?), ["[redacted]"]);
    Ok(())
}

#[test]
fn what_a_transaction_defines_is_not_trusted() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut raw = session("strict")?;
    for sql in [
        "BEGIN",
        "CREATE VIEW fresh AS SELECT id, ssn || '' AS x FROM users",
        "SELECT x FROM fresh",
        "SELECT lower(x) FROM fresh",
        "CREATE OR REPLACE VIEW clean_view AS SELECT id, ssn AS name FROM users",
        "SELECT name FROM clean_view",
        "SELECT upper(name) FROM clean_view",
        "ROLLBACK",
    ] {
        let answer = ask(&mut raw, sql)?;
        anyhow::ensure!(refusal(&answer).is_none(), "{sql}: {answer:?}");
    }
    assert_eq!(cells(&ask(&mut raw, "SELECT name || '' FROM clean_view WHERE id = 1")?), ["Ada"]);
    // Committed, it is known.
    ask(&mut raw, "CREATE VIEW later AS SELECT id, reverse(ssn) AS x, name FROM users")?;
    assert_eq!(cells(&ask(&mut raw, "SELECT x, upper(name) FROM later WHERE id = 2")?), ["[redacted]|BOB"]);
    // Sent all at once, in one segment and in several.
    for between in [Vec::new(), sync()] {
        let create =
            extended("CREATE OR REPLACE VIEW later AS SELECT id, name || '' AS x, ssn AS name FROM users");
        raw.send(&[create, between.clone(), extended("SELECT name || '' FROM later"), sync()].concat())?;
        (0..=usize::from(!between.is_empty())).try_for_each(|_| guarded(&mut raw, "later").map(drop))?;
    }
    ask(&mut raw, "DROP VIEW later")?;
    Ok(())
}

/// Held by each test that leaves definitions open for a while: the others' statements would wait for them, and be refused in
/// the end. That is tested in `concurrent_definitions`.
static TURNS: Turns = Turns::new();

/// A session that has run these, one by one.
fn session_after(setup: &[&str]) -> anyhow::Result<Raw> {
    let mut raw = session("strict")?;
    for sql in setup {
        let answer = ask(&mut raw, sql)?;
        anyhow::ensure!(answer.iter().all(|message| message.tag != 'E'), "{sql}: {answer:?}");
    }
    Ok(raw)
}

#[test]
fn a_table_made_in_the_open_transaction_works() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for create in ["CREATE TEMP TABLE made (a int, b text)", "CREATE TABLE scratch.made (a int, b text)"] {
        let made = if create.contains("TEMP") { "made" } else { "scratch.made" };
        let insert = format!("INSERT INTO {made} SELECT id, name FROM users");
        let select = format!("SELECT a, upper(b), b FROM {made} WHERE a < 3 ORDER BY b DESC");
        let expected = ["2|BOB|Bob", "1|ADA|Ada"];
        let mut raw = session_after(&["BEGIN", create, &insert])?;
        assert_eq!(cells(&ask(&mut raw, &select)?), expected);
        raw.send(&[extended(&select), sync()].concat())?;
        assert_eq!(cells(&guarded(&mut raw, &select)?), expected, "extended");
        let returned = ask(&mut raw, &format!("UPDATE {made} SET b = 'x' WHERE a = 1 RETURNING *"))?;
        assert_eq!(cells(&returned), ["1|x"]);
        let joined =
            format!("SELECT m.b, u.ssn, u.ssn || m.b FROM {made} m JOIN users u ON u.id = m.a WHERE a = 1");
        assert_eq!(cells(&ask(&mut raw, &joined)?), ["x|[redacted]|[redacted]"]);
        // Back again, it is another one.
        for sql in ["SAVEPOINT s", "DROP TABLE made", create, "INSERT INTO made VALUES (7, 'y')"] {
            let sql = sql.replace("TABLE made", &format!("TABLE {made}"));
            let answer = ask(&mut raw, &sql.replace("INTO made", &format!("INTO {made}")))?;
            assert!(answer.iter().all(|message| message.tag != 'E'), "{sql}: {answer:?}");
        }
        if create.contains("TEMP") {
            let answer = ask(&mut raw, "SELECT a, b || '' FROM made")?;
            assert_eq!(cells(&answer), ["7|y"], "{answer:?}");
        }
        ask(&mut raw, "ROLLBACK")?;
        // All in one message, in a segment, and over several.
        let all = format!("BEGIN; {create}; {insert}; {select}; ROLLBACK");
        assert_eq!(cells(&ask(&mut raw, &all)?), expected);
        raw.send(
            &[extended(create), extended(&insert), extended(&select), extended("ROLLBACK"), sync()].concat(),
        )?;
        let answer = guarded(&mut raw, &select)?;
        assert_eq!(cells(&answer), expected, "{answer:?}");
    }
    // Committed, the catalogue has it.
    let mut raw = session_after(&["CREATE TEMP TABLE kept AS SELECT id AS a, name || '' AS b FROM users"])?;
    assert_eq!(cells(&ask(&mut raw, "SELECT b, b || '' FROM kept WHERE a = 1")?), ["Ada|Ada"]);
    Ok(())
}

#[test]
fn what_is_written_to_a_new_table_is_judged() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut raw = session_after(&["BEGIN", "CREATE TEMP TABLE made (a int, b text)"])?;
    let answer = ask(&mut raw, "INSERT INTO made SELECT id, ssn FROM users")?;
    anyhow::ensure!(refusal(&answer).is_some_and(|told| told.contains("copied to")), "{answer:?}");
    Ok(())
}

/// What a session of its own runs, one by one; then a name that once meant a new table means what is protected.
const DECEITS: [&[&str]; 16] = [
    // The statement that makes it fails, and what follows does not.
    &["CREATE TEMP TABLE users (id int, ssn text, ssn text)", "SELECT upper(ssn) FROM users"],
    &[
        "BEGIN",
        "SAVEPOINT s",
        "CREATE TEMP TABLE users (id int, ssn text)",
        "ROLLBACK TO s",
        "SELECT upper(ssn) FROM users",
    ],
    &["BEGIN", "CREATE TEMP TABLE users (id int, ssn text)", "ROLLBACK", "SELECT upper(ssn) FROM users"],
    &["BEGIN; CREATE TEMP TABLE users (id int, ssn text); ROLLBACK; SELECT upper(ssn) FROM users"],
    &[
        "BEGIN; SAVEPOINT s; CREATE TEMP TABLE users (id int, ssn text); ROLLBACK TO s; SELECT upper(ssn) FROM users",
    ],
    &[
        "BEGIN",
        "CREATE TEMP TABLE users (id int, ssn text) ON COMMIT DROP",
        "COMMIT",
        "SELECT upper(ssn) FROM users",
    ],
    &[
        "BEGIN; CREATE TEMP TABLE users (id int, ssn text) ON COMMIT DROP; COMMIT; SELECT upper(ssn) FROM users",
    ],
    // It goes, or another takes its name.
    &[
        "BEGIN",
        "CREATE TEMP TABLE users (id int, ssn text)",
        "DROP TABLE users",
        "SELECT upper(ssn) FROM users",
    ],
    &[
        "BEGIN",
        "CREATE TEMP TABLE users (id int, ssn text)",
        "ALTER TABLE users RENAME TO x",
        "SELECT upper(ssn) FROM users",
    ],
    &["BEGIN", "CREATE TEMP TABLE users (id int, ssn text)", "DISCARD TEMP", "SELECT upper(ssn) FROM users"],
    &[
        "BEGIN",
        "CREATE VIEW v AS SELECT ssn AS b FROM users",
        "CREATE TEMP TABLE made (b text)",
        "ALTER TABLE made RENAME TO gone",
        "ALTER VIEW v RENAME TO made",
        "SELECT upper(b) FROM made",
    ],
    &[
        "BEGIN",
        "CREATE VIEW scratch.v AS SELECT ssn AS total FROM users",
        "ALTER VIEW scratch.v RENAME TO purchases",
        "SET LOCAL search_path = scratch, public",
        "SELECT upper(total) FROM purchases",
    ],
    &[
        "BEGIN",
        "CREATE TEMP TABLE IF NOT EXISTS made (b text)",
        "DROP TABLE made",
        "CREATE TEMP VIEW made AS SELECT ssn AS b FROM users",
        "CREATE TEMP TABLE IF NOT EXISTS made (b text)",
        "SELECT upper(b) FROM made",
    ],
    // Temporary tables do not come first.
    &[
        "SET search_path = public, pg_temp",
        "BEGIN",
        "CREATE TEMP TABLE users (id int, ssn text)",
        "SELECT upper(ssn) FROM users",
    ],
    &[
        "BEGIN",
        "CREATE TEMP TABLE users (id int, ssn text)",
        "SET LOCAL search_path = public, pg_temp",
        "SELECT upper(ssn) FROM users",
    ],
    // It is read as another's child.
    &[
        "BEGIN",
        "CREATE TABLE made (ssn text)",
        "ALTER TABLE users INHERIT made",
        "SELECT upper(ssn) FROM made",
    ],
];

#[test]
fn a_new_table_is_no_way_round() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for script in DECEITS {
        let mut raw = session("strict")?;
        for sql in script {
            ask(&mut raw, sql)?;
        }
        ask(&mut raw, "ROLLBACK")?;
        // The same without waiting for answers, each in a segment of its own, and then all in one.
        for between in [sync(), Vec::new()] {
            let mut raw = session("strict")?;
            let sent: Vec<u8> = script
                .iter()
                .flat_map(|sql| sql.split("; "))
                .flat_map(|sql| [extended(sql), between.clone()].concat())
                .collect();
            let answers =
                if between.is_empty() { 1 } else { script.iter().flat_map(|sql| sql.split("; ")).count() };
            raw.send(&[sent, if between.is_empty() { sync() } else { Vec::new() }].concat())?;
            (0..answers).try_for_each(|_| guarded(&mut raw, script[0]).map(drop))?;
        }
    }
    Ok(())
}

#[test]
fn a_session_that_could_not_commit_does_not_deceive() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    // The transaction that is known to be open is over when the table is not made.
    let mut raw = session_after(&["BEGIN"])?;
    let failing = "CREATE TEMP TABLE users (id int, ssn text, ssn text)";
    raw.send(&[query("COMMIT"), query(failing), query("SELECT upper(ssn) FROM users")].concat())?;
    (0..3).try_for_each(|_| guarded(&mut raw, failing).map(drop))
}

#[test]
fn a_statement_that_was_prepared_before_keeps_to_its_table() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let sql = "SELECT upper(ssn) FROM users ORDER BY id";
    let mut raw = session("strict")?;
    raw.send(&[parse("p", sql), sync()].concat())?;
    guarded(&mut raw, "Parse")?;
    ask(&mut raw, &format!("PREPARE q AS {sql}"))?;
    ask(&mut raw, "BEGIN")?;
    raw.send(&[bind("before", "p"), sync()].concat())?;
    guarded(&mut raw, "Bind")?;
    ask(&mut raw, &format!("DECLARE c CURSOR FOR {sql}"))?;
    ask(&mut raw, "CREATE TEMP TABLE users (id int, ssn text)")?;
    raw.send(&[bind("after", "p"), execute("after", 0), execute("before", 0), sync()].concat())?;
    guarded(&mut raw, "Execute")?;
    for sql in ["EXECUTE q", "FETCH ALL FROM c"] {
        ask(&mut raw, sql)?;
    }
    ask(&mut raw, "ROLLBACK")?;
    ask(
        &mut raw,
        &format!("BEGIN; PREPARE r AS {sql}; CREATE TEMP TABLE users (id int, ssn text); EXECUTE r"),
    )?;
    ask(&mut raw, "ROLLBACK")?;
    ask(
        &mut raw,
        &format!(
            "BEGIN; DECLARE d CURSOR FOR {sql}; CREATE TEMP TABLE users (id int, ssn text); FETCH ALL FROM d"
        ),
    )?;
    Ok(())
}

#[test]
fn statements_of_one_message_do_not_deceive_each_other() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for sql in [
        "BEGIN; CREATE OR REPLACE VIEW clean_view AS SELECT id, ssn AS name FROM users; SELECT upper(name) FROM clean_view",
        "BEGIN; DROP TABLE scratch.users; CREATE VIEW scratch.users AS TABLE public.users; SELECT upper(ssn) FROM scratch.users",
        "BEGIN; ALTER SCHEMA scratch RENAME TO old; ALTER SCHEMA public RENAME TO scratch; SELECT upper(ssn) FROM scratch.users",
        "BEGIN; SET LOCAL search_path = scratch; SET LOCAL search_path = public; SELECT upper(ssn) FROM users",
        "BEGIN; CREATE TEMP TABLE users (id int, ssn text); DISCARD TEMP; SELECT upper(ssn) FROM users",
    ] {
        let mut raw = session_with("strict", &[("search_path", "scratch, public")])?;
        ask(&mut raw, sql)?;
        ask(&mut raw, "ROLLBACK")?;
    }
    Ok(())
}

#[test]
fn a_renamed_column_stays_protected() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let direct = &STAGE.application.direct;
    direct.psql_strict("CREATE TABLE users_copy (LIKE users); ")?.ok()?;
    let mut raw = session("strict")?;
    ask(&mut raw, "SELECT 1 FROM users")?;
    direct.psql_strict("ALTER TABLE events RENAME COLUMN secret TO plain")?.ok()?;
    // Grille hears of it when something makes it look.
    ask(&mut raw, "CREATE TABLE a_reason_to_look (x int)")?;
    for table in ["events", "events_2024"] {
        assert_eq!(
            cells(&ask(&mut raw, &format!("SELECT plain, plain || '' FROM {table}"))?),
            ["[redacted]|[redacted]"]
        );
    }
    direct
        .psql_strict(
            "ALTER TABLE events RENAME COLUMN plain TO secret; DROP TABLE users_copy, a_reason_to_look",
        )?
        .ok()?;
    ask(&mut raw, "CREATE TEMP TABLE another_reason (x int)")?;
    Ok(())
}

#[test]
fn classes_need_their_privileges() -> anyhow::Result<()> {
    for (sql, words) in [
        ("SELECT peek()", "volatile-functions"),
        ("DO $$ BEGIN END $$", "procedures"),
        ("CALL work()", "procedures"),
        (
            "CREATE FUNCTION sly() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT ssn FROM users'",
            "procedures",
        ),
        ("SET log_statement = 'all'", "settings"),
        ("SET debug_print_plan = on", "settings"),
        ("SELECT set_config('session_replication_role', 'replica', false)", "settings"),
        ("SET ROLE postgres", "set-role"),
        ("SELECT lo_get(1)", "large-objects"),
        ("SELECT pg_read_file('x')", "server-files"),
        ("SELECT * FROM dblink('x', 'SELECT 1') AS t (a int)", "foreign-data"),
        ("SELECT most_common_vals FROM pg_stats", "statistics"),
    ] {
        check_refused("strict", sql, words)?;
    }
    check("strict", "SELECT stable_peek()", &["[redacted]"])?;
    for sql in ["DO $$ BEGIN END $$", "CALL work()", "SET transform_null_equals = on"] {
        check_allowed("granted", sql)?;
    }
    check("granted", "SELECT peek()", &["[redacted]"])?;
    for sql in [
        "SET application_name = 'x'",
        "SET client_min_messages = warning",
        "RESET ALL",
        "SHOW work_mem",
        "DISCARD ALL",
    ] {
        check_allowed("strict", sql)?;
    }
    Ok(())
}

#[test]
fn each_result_of_a_message_has_its_own_lineage() -> anyhow::Result<()> {
    let mut raw = session("strict")?;
    let sql = "SELECT name || '' FROM users WHERE id = 1; SELECT ssn || '' FROM users WHERE id = 1; \
               BEGIN; SELECT 1 + 1, left(ssn, 1) FROM users WHERE id = 1; COMMIT; SELECT upper(name) FROM users WHERE id = 2";
    assert_eq!(cells(&ask(&mut raw, sql)?), ["Ada", "[redacted]", "2|[redacted]", "BOB"]);
    // Prepared, declared and fetched in one message, and in the middle of others.
    let sql = "PREPARE p AS SELECT ssn || '', id + 1 FROM users WHERE id = 1; EXECUTE p; SELECT name || '' FROM users WHERE id = 1; \
               DEALLOCATE p";
    assert_eq!(cells(&ask(&mut raw, sql)?), ["[redacted]|2", "Ada"]);
    let sql = "BEGIN; DECLARE c CURSOR FOR SELECT id + 1, ssn || '' FROM users ORDER BY id; FETCH 1 FROM c; \
               SELECT name || '' FROM users WHERE id = 3; FETCH 1 FROM c; COMMIT";
    assert_eq!(cells(&ask(&mut raw, sql)?), ["2|[redacted]", "Cy", "3|[redacted]"]);
    Ok(())
}

#[test]
fn what_has_a_name_is_judged_when_it_runs() -> anyhow::Result<()> {
    let mut raw = session("strict")?;
    ask(&mut raw, "PREPARE p AS SELECT id + 1, ssn || '' FROM users WHERE id = $1")?;
    assert_eq!(cells(&ask(&mut raw, "EXECUTE p(1)")?), ["2|[redacted]"]);
    raw.send(&[extended("EXECUTE p(2)"), sync()].concat())?;
    assert_eq!(cells(&guarded(&mut raw, "EXECUTE")?), ["3|[redacted]"]);
    raw.send(&[parse("s", "SELECT ssn || '', name || '' FROM users ORDER BY id"), sync()].concat())?;
    guarded(&mut raw, "Parse")?;
    ask(&mut raw, "BEGIN")?;
    raw.send(&[bind("portal", "s"), execute("portal", 2), execute("portal", 1), sync()].concat())?;
    assert_eq!(cells(&guarded(&mut raw, "Execute")?), ["[redacted]|Ada", "[redacted]|Bob", "[redacted]|Cy"]);
    ask(&mut raw, "DECLARE c CURSOR FOR SELECT name, ssn || '' FROM users ORDER BY id")?;
    assert_eq!(
        cells(&ask(&mut raw, "FETCH ALL FROM c")?),
        ["Ada|[redacted]", "Bob|[redacted]", "Cy|[redacted]"]
    );
    ask(&mut raw, "COMMIT")?;
    for sql in [
        "PREPARE q AS SELECT id FROM users WHERE ssn > '9'",
        "DECLARE d CURSOR WITH HOLD FOR SELECT id FROM users ORDER BY ssn",
    ] {
        check_refused("strict", sql, "public.users.ssn")?;
    }
    Ok(())
}

#[test]
fn a_pipeline_is_treated_statement_by_statement() -> anyhow::Result<()> {
    let mut raw = session("strict")?;
    let sent: Vec<u8> = (0..50)
        .flat_map(|_| {
            [
                extended("SELECT ssn || '' FROM users WHERE id = 1"),
                extended("SELECT name || '' FROM users WHERE id = 1"),
            ]
            .concat()
        })
        .collect();
    raw.send(&[sent, sync()].concat())?;
    let expected: Vec<&str> = (0..50).flat_map(|_| ["[redacted]", "Ada"]).collect();
    assert_eq!(cells(&guarded(&mut raw, "a pipeline")?), expected);
    Ok(())
}

#[test]
fn errors_tell_only_of_what_is_not_protected() -> anyhow::Result<()> {
    let mut raw = session("open")?;
    let answer = ask(&mut raw, "SELECT ssn::int FROM users")?;
    let error = answer.iter().find(|message| message.tag == 'E').context("no error")?;
    assert!(error.text().contains("withheld"), "{}", error.text());
    let answer = ask(&mut raw, "SELECT name::int FROM users")?;
    let error = answer.iter().find(|message| message.tag == 'E').context("no error")?;
    assert!(error.text().contains("Ada"), "{}", error.text());
    Ok(())
}

#[test]
fn without_a_catalogue_nothing_is_read_and_transactions_can_end() -> anyhow::Result<()> {
    let stage = Stage::with_policy(&roles(), "")?;
    stage.application.direct.psql_strict(TABLES)?.ok()?;
    let mut raw = session_at(&stage, "strict", &[])?;
    // The session has its connection; another, for the catalogue, is not to be had.
    let limit = |limit: i32| format!("ALTER ROLE {} CONNECTION LIMIT {limit}", sample::USER);
    stage.postgres.sql_admin(sample::DATABASE, &limit(1))?;
    assert_eq!(tags(&ask(&mut raw, "BEGIN")?), "CZ");
    let answer = ask(&mut raw, "SELECT name FROM users")?;
    let error = answer.iter().find(|message| message.tag == 'E').context("no error")?;
    assert!(error.text().contains("catalogue cannot be read"), "{}", error.text());
    assert_eq!(tags(&ask(&mut raw, "ROLLBACK")?), "CZ");
    stage.postgres.sql_admin(sample::DATABASE, &limit(-1))?;
    assert_eq!(cells(&ask(&mut raw, "SELECT name || '', ssn FROM users WHERE id = 1")?), ["Ada|[redacted]"]);
    Ok(())
}

#[test]
fn what_happened_is_counted() -> anyhow::Result<()> {
    check_refused("strict", "SELECT id FROM users ORDER BY ssn", "(ORDER BY)")?;
    let metrics = STAGE.grille.metrics()?;
    for name in [
        "grille_lineage_refusals_total{purpose=\"shapes\"}",
        "grille_catalog_reads_total{upstream=\"demo\",outcome=\"ok\"}",
        "grille_catalog_read_timestamp_seconds{upstream=\"demo\"}",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    Ok(())
}
