-- What both twins have. Protected: public.people but id, name, note; hr.people.ssn; public.parted.secret.
CREATE TABLE accounts (id int PRIMARY KEY, title text);
CREATE TABLE groups (id int PRIMARY KEY, title text);
CREATE DOMAIN person_kind AS text;
CREATE TABLE people (
    id int PRIMARY KEY, name text NOT NULL, note text, ssn text NOT NULL UNIQUE, pin int, born date, tags text[], doc jsonb,
    js json, bits varbit, raw bytea, amount numeric, account int REFERENCES accounts, kind person_kind,
    code varchar(8) CHECK (code <> 'bad'),
    group_id int NOT NULL REFERENCES groups ON UPDATE CASCADE ON DELETE SET NULL CHECK (group_id < 1000)
);
CREATE SCHEMA hr;
CREATE TABLE hr.people (id int, ssn text);
CREATE TABLE places (id int PRIMARY KEY, title text, wild text COLLATE "C");
INSERT INTO places VALUES (1, 'here', 'a'), (2, 'there', 'b');
CREATE TABLE holder (a macaddr[], b macaddr[], j json);
INSERT INTO holder VALUES ('{08:00:2b:01:02:03}', '{{08:00:2b:01:02:03},{08:00:2b:01:02:04}}', '"\u0000"');
CREATE VIEW clean_view AS SELECT id, name AS x FROM people;
CREATE VIEW plain_view AS SELECT id, ssn AS x FROM people;
CREATE MATERIALIZED VIEW stored_plain AS SELECT id, x FROM plain_view;
CREATE VIEW failing_view AS SELECT id, 1 / (pin - 4321) AS x FROM people;
CREATE TABLE parted (id int, secret text) PARTITION BY LIST (secret);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
CREATE TABLE parted_b PARTITION OF parted FOR VALUES IN ('b');
CREATE FUNCTION find(text) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT id FROM people WHERE ssn LIKE $1';
