//! Statements that define things.

use super::check_all;

#[test]
fn what_says_nothing_about_values() {
    check_all(&[
        ("CREATE TABLE x (id int PRIMARY KEY, name text DEFAULT 'a' CHECK (name <> ''))", "-"),
        ("CREATE TABLE x (LIKE users)", "-"),
        ("CREATE TABLE x (id int REFERENCES orders (id))", "-"),
        ("CREATE VIEW v AS SELECT ssn, upper(ssn) FROM users", "-"),
        ("CREATE MATERIALIZED VIEW v AS SELECT ssn FROM users", "-"),
        ("CREATE INDEX ON users (name) INCLUDE (id)", "-"),
        ("CREATE INDEX ON users (lower(name)) WHERE active", "-"),
        ("CLUSTER orders USING orders_pkey", "-"),
        ("ALTER TABLE users ALTER COLUMN name SET DEFAULT 'x'", "-"),
        ("ALTER TABLE users ALTER COLUMN ssn DROP DEFAULT", "-"),
        ("CREATE OR REPLACE VIEW v_clean AS SELECT id FROM orders", "-"),
        ("ALTER DOMAIN code DROP CONSTRAINT c", "-"),
        ("ALTER DOMAIN code SET DEFAULT 'x'", "-"),
        ("CREATE UNIQUE INDEX ON log (message)", "-"),
        ("ALTER TABLE log ADD COLUMN x int, ALTER COLUMN message TYPE varchar", "-"),
        ("ALTER TABLE users ADD COLUMN x int NOT NULL DEFAULT 0", "-"),
        ("ALTER TABLE users DROP COLUMN note", "-"),
        ("ALTER TABLE log RENAME COLUMN message TO text", "-"),
        ("DROP TABLE users", "-"),
        ("TRUNCATE users", "-"),
        ("VACUUM users", "-"),
        ("ANALYZE users", "-"),
        ("COMMENT ON COLUMN users.ssn IS 'x'", "-"),
        ("GRANT SELECT ON users TO bob", "-"),
        ("LOCK TABLE users", "-"),
        ("REFRESH MATERIALIZED VIEW m_users", "-"),
        ("CREATE TYPE mood2 AS ENUM ('a')", "-"),
        ("CREATE SEQUENCE s", "-"),
        ("CREATE SCHEMA s", "-"),
        ("CREATE EXTENSION vector", "-"),
    ]);
}

#[test]
fn what_takes_columns_out_of_reach() {
    check_all(&[
        ("ALTER TABLE accounts RENAME COLUMN iban TO x", "- | into RENAME: accounts.iban"),
        ("ALTER TABLE accounts RENAME TO x", "- | into RENAME: accounts.iban"),
        ("ALTER TABLE accounts SET SCHEMA hr", "- | into SET SCHEMA: accounts.iban"),
        ("ALTER SCHEMA hr RENAME TO x", "- | into rename: staff.badge+team.secret"),
        (
            "ALTER TABLE accounts ALTER COLUMN owner TYPE text USING iban",
            "- | into ALTER TABLE: accounts.iban",
        ),
        (
            "ALTER TABLE accounts ADD CONSTRAINT c CHECK (iban LIKE '1%')",
            "- | into ALTER TABLE: accounts.iban",
        ),
        (
            "ALTER TABLE accounts ADD COLUMN x text GENERATED ALWAYS AS (iban) STORED",
            "- | into ALTER TABLE: accounts.iban",
        ),
        ("ALTER TABLE x INHERIT accounts", "- | into ALTER TABLE: accounts.iban"),
        ("ALTER TABLE log ATTACH PARTITION accounts DEFAULT", "- | into ALTER TABLE: accounts.iban"),
        ("CREATE UNIQUE INDEX ON accounts (owner)", "- | into CREATE UNIQUE INDEX: accounts.iban"),
        ("CREATE INDEX ON users (name, ssn)", "- | into CREATE INDEX: users.ssn"),
        ("CREATE INDEX ON users (lower(ssn))", "- | into CREATE INDEX: users.ssn"),
        ("CREATE INDEX ON users (name) WHERE ssn IS NULL", "- | into CREATE INDEX: users.ssn"),
        (
            "CREATE INDEX ON users ((1 / length(ssn)))",
            "- | fails /: users.ssn | into CREATE INDEX: users.ssn",
        ),
        ("CLUSTER accounts USING i", "- | into CLUSTER: accounts.iban"),
        ("CLUSTER", "- | into CLUSTER: "),
        (
            "CREATE OR REPLACE VIEW v_last AS SELECT id FROM orders",
            "- | into CREATE OR REPLACE VIEW: users.ssn",
        ),
        ("ALTER TABLE users ALTER COLUMN ssn SET DEFAULT 'x'", "- | into SET DEFAULT: users.ssn"),
        ("ALTER VIEW v_last ALTER COLUMN last4 SET DEFAULT 'x'", "- | into SET DEFAULT: users.ssn"),
        (
            "ALTER DOMAIN code ADD CONSTRAINT c CHECK (value <> 'q')",
            "- | into ALTER DOMAIN: docs.embedding+payload.mood+coded.code",
        ),
        (
            "ALTER DOMAIN code VALIDATE CONSTRAINT c",
            "- | into ALTER DOMAIN: docs.embedding+payload.mood+coded.code",
        ),
        ("ALTER DOMAIN code SET NOT NULL", "- | into ALTER DOMAIN: docs.embedding+payload.mood+coded.code"),
        ("CREATE TABLE x () INHERITS (accounts)", "- | into CREATE TABLE: accounts.iban"),
        ("CREATE TABLE x (a text REFERENCES accounts (iban))", "- | into CREATE TABLE: accounts.iban"),
        ("CREATE STATISTICS s ON id, iban FROM accounts", "- | into CREATE STATISTICS: accounts.iban"),
        (
            "CREATE RULE r AS ON INSERT TO log DO ALSO SELECT iban FROM accounts",
            "- | into CREATE RULE: accounts.iban",
        ),
        (
            "CREATE POLICY p ON log USING (EXISTS (SELECT 1 FROM accounts WHERE iban = message))",
            "- | into a policy: accounts.iban",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON accounts EXECUTE FUNCTION writes()",
            "- | into CREATE TRIGGER: accounts.iban | public.writes()!",
        ),
        ("CREATE TRIGGER t AFTER INSERT ON log EXECUTE FUNCTION writes()", "- | public.writes()!"),
        (
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ssn FROM users'",
            "- | into code: ",
        ),
        ("ALTER FUNCTION f() IMMUTABLE", "- | into code: "),
        ("CREATE CAST (int AS text) WITH FUNCTION f(int)", "- | into code: "),
        ("CREATE PUBLICATION p FOR ALL TABLES", "- | into a publication: "),
        ("CREATE VIEW v AS SELECT id FROM users WHERE ssn LIKE '1%'", "- | WHERE: users.ssn"),
        ("CREATE TABLE x (a text DEFAULT writes())", "- | into CREATE TABLE:  | public.writes()!"),
        ("CREATE FOREIGN TABLE x (a int) SERVER s", "- | foreign"),
        ("CREATE SCHEMA s CREATE VIEW v AS SELECT id FROM users WHERE ssn LIKE '1%'", "- | WHERE: users.ssn"),
    ]);
}
