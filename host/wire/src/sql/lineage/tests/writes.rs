//! INSERT, UPDATE, DELETE, MERGE and copies.

use super::check_all;
use crate::sql::lineage::Naming;

#[test]
fn plain_writes() {
    check_all(&[
        ("INSERT INTO log VALUES (1, 'x', now())", "-"),
        ("INSERT INTO log (message) SELECT name FROM users", "-"),
        ("INSERT INTO users (id, name, ssn) VALUES (1, 'x', $1)", "-"),
        (
            "INSERT INTO users (id, ssn) VALUES (1, $1) RETURNING *",
            "id, name, ssn=users.ssn, email, salary=users.salary, active, created, born=users.born, pay=users.pay, note",
        ),
        ("INSERT INTO users (id, ssn) VALUES (1, $1) RETURNING id, upper(ssn)", "id, upper~users.ssn"),
        (
            "INSERT INTO users (id, ssn) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn, name = excluded.name",
            "-",
        ),
        ("INSERT INTO users (id) VALUES (1) ON CONFLICT DO NOTHING", "-"),
        ("UPDATE users SET ssn = $1, name = 'x' WHERE id = 2", "-"),
        (
            "UPDATE users SET ssn = $1 WHERE id = 2 RETURNING old.ssn, new.ssn, id",
            "ssn=users.ssn, ssn=users.ssn, id",
        ),
        ("UPDATE users SET ssn = $1 RETURNING WITH (OLD AS o) o.ssn", "ssn=users.ssn"),
        (
            "UPDATE orders SET amount = amount + 1 FROM users u WHERE u.id = orders.user_id RETURNING orders.id, u.name",
            "id, name",
        ),
        ("UPDATE orders SET (amount, status) = (1, 'x') WHERE id = 1", "-"),
        ("UPDATE orders SET (amount, status) = (SELECT 1, name FROM users LIMIT 1)", "-"),
        (
            "DELETE FROM orders USING users u WHERE u.id = user_id RETURNING *, u.ssn",
            "id, user_id, amount, status, placed, id, name, ssn=users.ssn, email, salary=users.salary, active, created, born=users.born, pay=users.pay, note, ssn=users.ssn",
        ),
        ("DELETE FROM users WHERE id = 1 RETURNING ssn", "ssn=users.ssn"),
        (
            "MERGE INTO log l USING orders o ON l.id = o.id WHEN MATCHED THEN UPDATE SET message = o.status WHEN NOT MATCHED THEN INSERT (id, message) VALUES (o.id, 'x') RETURNING merge_action(), l.*",
            "merge_action, id, message, at",
        ),
        (
            "MERGE INTO users u USING log l ON u.id = l.id WHEN MATCHED THEN DELETE RETURNING u.ssn",
            "ssn=users.ssn",
        ),
        ("TRUNCATE log", "-"),
        ("SELECT id INTO TEMP x FROM users", "-"),
        ("CREATE TABLE x AS SELECT id, name FROM users", "-"),
        ("CREATE TEMP TABLE x AS SELECT * FROM orders", "-"),
    ]);
}

#[test]
fn what_the_database_does_by_itself_is_unknown_unless_it_is_vouched_for() {
    let insert = "public.writes (trigger fills of public.tickets)()!";
    let delete = "public.writes (trigger fills of public.parts)()!";
    let default = "into public.parts.label (by its default): ";
    check_all(&[
        ("INSERT INTO tickets (id) VALUES (1)", &format!("- | {insert}")),
        ("INSERT INTO tickets (id) VALUES (1) RETURNING id, 1 AS one", &format!("id?, one? | {insert}")),
        ("COPY tickets FROM STDIN", &format!("- | {insert}")),
        ("UPDATE tickets SET note = 'x' WHERE id = 1 RETURNING note", "note"),
        ("DELETE FROM tickets", &format!("- | {delete}")),
        ("TRUNCATE parts", &format!("- | {delete}")),
        ("WITH w AS (INSERT INTO tickets VALUES (1)) SELECT name FROM users", &format!("name | {insert}")),
        (
            "MERGE INTO tickets t USING log l ON t.id = l.id WHEN NOT MATCHED THEN INSERT VALUES (1)",
            &format!("- | {insert}"),
        ),
        ("MERGE INTO tickets t USING log l ON t.id = l.id WHEN MATCHED THEN UPDATE SET note = 'x'", "-"),
        ("INSERT INTO parts (id) VALUES (1) RETURNING label", &format!("label? | {default}")),
        ("INSERT INTO parts (id, label) VALUES (1, 'x') RETURNING label", "label"),
        ("INSERT INTO parts (id, label) VALUES (1, DEFAULT)", &format!("- | {default}")),
        ("UPDATE parts SET label = DEFAULT", &format!("- | {default}")),
        ("UPDATE parts SET label = 'x'", "-"),
        ("COPY parts (id) FROM STDIN", &format!("- | {default}")),
        ("COPY parts FROM STDIN", "-"),
        ("CREATE TABLE more PARTITION OF tickets DEFAULT", &format!("- | {delete} | {insert}")),
        ("ALTER TABLE log ALTER message SET DEFAULT reads()", "- | into ALTER TABLE:  | public.reads()?"),
        ("ALTER TABLE log ALTER message SET DEFAULT computes()", "-"),
        ("ALTER TABLE log ALTER id SET DEFAULT nextval('s')", "-"),
        ("CREATE TABLE mine (id int DEFAULT reads())", "- | into CREATE TABLE:  | public.reads()?"),
    ]);
}

#[test]
fn laundering() {
    check_all(&[
        ("INSERT INTO log (message) SELECT ssn FROM users", "- | into log.message: users.ssn"),
        (
            "INSERT INTO log SELECT 1, upper(ssn) FROM users",
            "- | fails log.message: users.ssn | into log.message: users.ssn",
        ),
        (
            "INSERT INTO log (id, message) VALUES (1, (SELECT max(ssn) FROM users))",
            "- | fails log.message: users.ssn | into log.message: users.ssn",
        ),
        ("INSERT INTO vault (ssn) SELECT ssn FROM users", "-"),
        ("UPDATE users SET ssn = nullif(ssn, '123')", "- | fails users.ssn: users.ssn"),
        ("INSERT INTO vault (ssn) SELECT upper(ssn) FROM users", "- | fails vault.ssn: users.ssn"),
        ("UPDATE users SET name = ssn", "- | into users.name: users.ssn"),
        ("UPDATE users SET note = ssn", "- | into users.note: users.ssn"),
        (
            "UPDATE log SET message = (SELECT ssn FROM users LIMIT 1)",
            "- | fails log.message: users.ssn | into log.message: users.ssn",
        ),
        (
            "UPDATE log SET (id, message) = (SELECT id, ssn FROM users LIMIT 1)",
            "- | into log.message: users.ssn",
        ),
        (
            "UPDATE log SET message = u.ssn FROM users u WHERE u.id = log.id",
            "- | into log.message: users.ssn",
        ),
        (
            "INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = users.ssn",
            "- | into users.name: users.ssn",
        ),
        (
            "MERGE INTO log l USING users u ON l.id = u.id WHEN MATCHED THEN UPDATE SET message = u.ssn",
            "- | into log.message: users.ssn",
        ),
        (
            "MERGE INTO log l USING users u ON l.id = u.id WHEN NOT MATCHED THEN INSERT (message) VALUES (u.ssn)",
            "- | into log.message: users.ssn",
        ),
        ("CREATE TABLE x AS SELECT ssn FROM users", "- | into x: users.ssn"),
        ("CREATE TEMP TABLE x AS TABLE users", "- | into x: users.ssn+users.salary+users.born+users.pay"),
        ("SELECT ssn INTO x FROM users", "- | into x: users.ssn"),
        ("CREATE TABLE x AS EXECUTE p", "- | into x: "),
        (
            "WITH w AS (INSERT INTO log (message) SELECT ssn FROM users RETURNING id) SELECT * FROM w",
            "id | into log.message: users.ssn",
        ),
        ("INSERT INTO nowhere SELECT ssn FROM users", "- | into nowhere: users.ssn"),
        ("INSERT INTO nowhere SELECT name FROM users", "-"),
        ("INSERT INTO log (message) SELECT x FROM nowhere", "- | fails log.message:  | into log.message: "),
        (
            "INSERT INTO log (message) SELECT last4 FROM v_last",
            "- | fails log.message: users.ssn | into log.message: users.ssn",
        ),
        ("INSERT INTO v_clean (name) SELECT ssn FROM users", "- | into v_clean.name: users.ssn"),
    ]);
}

#[test]
fn a_place_that_shows_more_hides_nothing() {
    let kept = "- | ";
    check_all(&[
        // What is hidden altogether may go where nothing shows, and nowhere else.
        ("INSERT INTO vault (ssn) SELECT ssn FROM users", "-"),
        ("UPDATE shown SET gone = last", "-"),
        ("UPDATE shown SET last = u.ssn FROM users u", &format!("{kept}into shown.last: users.ssn")),
        ("UPDATE shown SET token = gone", &format!("{kept}into shown.token: shown.gone")),
        ("INSERT INTO shown (last) SELECT ssn FROM users", &format!("{kept}into shown.last: users.ssn")),
        (
            "INSERT INTO shown (id, gone) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET last = excluded.gone",
            &format!("{kept}into shown.last: shown.gone"),
        ),
        (
            "MERGE INTO shown s USING users u ON s.id = u.id WHEN MATCHED THEN UPDATE SET last = u.ssn",
            &format!("{kept}into shown.last: users.ssn"),
        ),
        (
            "MERGE INTO shown s USING users u ON s.id = u.id WHEN NOT MATCHED THEN INSERT (last) VALUES (u.ssn)",
            &format!("{kept}into shown.last: users.ssn"),
        ),
        // The same shows of a copy.
        ("UPDATE shown SET other = last", "-"),
        ("UPDATE shown SET other = token", &format!("{kept}into shown.other: shown.token")),
        ("INSERT INTO shown (other) SELECT last FROM shown", "-"),
        ("UPDATE shown SET (other, last) = (SELECT last, other FROM shown LIMIT 1)", "-"),
        (
            "UPDATE shown SET other = q.x FROM (SELECT last AS x FROM shown UNION ALL SELECT other FROM shown) q",
            "-",
        ),
        (
            "UPDATE shown SET other = q.x FROM (SELECT last AS x FROM shown UNION ALL SELECT token FROM shown) q",
            &format!("{kept}into shown.other: shown.last+shown.token"),
        ),
        // Other characters would be the last ones.
        (
            "UPDATE shown SET other = left(last, 4)",
            "- | fails shown.other: shown.last | into shown.other: shown.last",
        ),
        ("UPDATE shown SET gone = left(last, 4)", "- | fails shown.gone: shown.last"),
        ("UPDATE shown SET other = few", "- | into shown.other: shown.few"),
        ("UPDATE shown SET tags[1] = last", "- | fails shown.tags: shown.last | into shown.tags: shown.last"),
        (
            "INSERT INTO shown (tags[1:2]) SELECT tags FROM shown",
            "- | fails shown.tags: shown.tags | into shown.tags: shown.tags",
        ),
        ("UPDATE shown SET other = x FROM nowhere", "- | fails shown.other:  | into shown.other: "),
        ("UPDATE shown SET gone = x FROM nowhere", "- | fails shown.gone: "),
    ]);
}

#[test]
fn a_view_hides_what_is_under_it() {
    check_all(&[
        ("UPDATE v_shown SET x = s.other FROM shown s", "-"),
        ("UPDATE v_shown SET x = u.ssn FROM users u", "- | into v_shown.x: users.ssn"),
        ("INSERT INTO v_users (ssn) SELECT ssn FROM users", "-"),
        ("INSERT INTO v_within (ssn) SELECT ssn FROM users", "- | fails v_within.ssn: users.ssn"),
        // A rule names the view's column only.
        ("INSERT INTO v_plain (x) SELECT ssn FROM users", "- | into v_plain.x: users.ssn"),
        ("INSERT INTO v_last (last4) SELECT ssn FROM users", "- | into v_last.last4: users.ssn"),
    ]);
}

#[test]
fn every_table_that_a_name_may_mean_has_to_hide_it() {
    let any = Naming::default();
    super::check_named(
        "INSERT INTO mixed (what) SELECT ssn FROM users",
        &any,
        "- | into mixed.what: users.ssn",
    );
    super::check_named("INSERT INTO north.mixed (what) SELECT ssn FROM users", &any, "-");
}

#[test]
fn probing_and_shaping() {
    check_all(&[
        ("INSERT INTO accounts (id, iban) VALUES (1, $1)", "- | probes: accounts.iban"),
        ("INSERT INTO accounts (id, owner) VALUES (1, $1)", "-"),
        ("INSERT INTO accounts VALUES (1, $1)", "- | probes: accounts.iban"),
        ("INSERT INTO refs (iban) VALUES ($1)", "- | probes: accounts.iban"),
        ("UPDATE accounts SET iban = $1", "- | probes: accounts.iban"),
        ("UPDATE accounts SET owner = 1 WHERE id = 2", "-"),
        (
            "INSERT INTO accounts (id, iban) VALUES (1, 'x') ON CONFLICT (iban) DO NOTHING",
            "- | ON CONFLICT: accounts.iban | probes: accounts.iban",
        ),
        (
            "INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE users.ssn = '1'",
            "- | ='1': users.ssn",
        ),
        ("UPDATE log SET message = 'x' FROM users u WHERE u.ssn LIKE '1%'", "- | WHERE: users.ssn"),
        ("DELETE FROM users WHERE ssn LIKE '1%'", "- | WHERE: users.ssn"),
        ("DELETE FROM log USING users WHERE message = ssn", "- | WHERE: users.ssn"),
        ("MERGE INTO log l USING users u ON l.message = u.ssn WHEN MATCHED THEN DELETE", "- | ON: users.ssn"),
        (
            "MERGE INTO log l USING users u ON l.id = u.id WHEN MATCHED AND u.ssn > '5' THEN DELETE",
            "- | WHEN: users.ssn",
        ),
    ]);
}

#[test]
fn removing_rows_asks_who_refers_to_them() {
    check_all(&[
        ("DELETE FROM accounts WHERE id = 1", "- | probes: accounts.iban"),
        ("DELETE FROM refs", "-"),
        ("DELETE FROM orders", "-"),
        (
            "WITH gone AS (DELETE FROM accounts RETURNING id) SELECT id FROM gone",
            "id | probes: accounts.iban",
        ),
        (
            "MERGE INTO accounts a USING log l ON a.id = l.id WHEN MATCHED THEN DELETE",
            "- | probes: accounts.iban",
        ),
        ("MERGE INTO accounts a USING log l ON a.id = l.id WHEN MATCHED THEN DO NOTHING", "-"),
        // Whoever refers to it, it fails.
        ("TRUNCATE accounts", "-"),
        ("EXPLAIN ANALYZE DELETE FROM accounts", "QUERY PLAN~accounts.iban | probes: accounts.iban"),
    ]);
}
