//! Expressions that fail where they are reached, and that protected values decide about reaching. Each was seen to tell two
//! databases apart that differ in protected values only.

use super::check_all;

fn fails(expression: &str, culprit: &str) {
    let sql = format!("SELECT {expression} AS x FROM users");
    check_all(&[(&sql, &format!("x~users.ssn | fails {culprit}: users.ssn"))]);
}

#[test]
fn rows_are_compared_until_a_column_decides() {
    fails("(ssn, 1) = ('1', 1 / id)", "/");
    fails("(ssn, 1 / id) < ('1', 1)", "/");
    // Whether other rows can be compared is not looked into.
    fails("(ssn, 1) IS DISTINCT FROM ('1', 1 / id)", "=");
    fails("(ssn, 1 / id) IN (('1', 1))", "/");
    fails("(ssn, 1 / id) IN (SELECT message, id FROM log)", "/");
    fails("(CASE WHEN ssn = '1' THEN row(1) ELSE row('a'::text) END) = row(1)", "=");
    fails("greatest(CASE WHEN ssn = '1' THEN row(1) ELSE row('a'::text) END, row(1))", "greatest or least");
}

#[test]
fn of_null_no_element_is_looked_for() {
    fails("(string_to_array(nullif(ssn, '1'), ','))[1 / id]", "/");
}

#[test]
fn only_a_literal_is_converted_when_the_statement_is_parsed() {
    fails("(CASE WHEN ssn = '1' THEN 'x' ELSE '1' END)::int", "int4");
    fails("CASE WHEN ssn = '1' THEN (SELECT 'x')::int END", "int4");
    fails("CASE WHEN ssn = '1' THEN $1::int END", "int4");
    fails("CASE WHEN ssn = '1' THEN to_jsonb($1) END", "to_jsonb");
    fails("CASE WHEN ssn = '1' THEN '0'::positive END", "positive");
    let same = |expression: &str| {
        let sql = format!("SELECT {expression} AS x FROM users");
        check_all(&[(&sql, "x~users.ssn")]);
    };
    same("CASE WHEN ssn = '1' THEN '1'::int ELSE '{2}'::int[][1] END");
    same("CASE WHEN ssn = '1' THEN (ARRAY['1', '2']::int[])[1] END");
    same("CASE WHEN ssn = '1' THEN $1::text END");
}

#[test]
fn a_sub_select_can_give_several_rows_for_a_value() {
    let several = "a sub-select that gives several rows";
    fails("CASE WHEN ssn = '1' THEN (SELECT id FROM log) END", several);
    fails("coalesce(nullif(ssn, '1'), (SELECT message FROM log LIMIT 2))", several);
    fails("CASE WHEN ssn = '1' THEN (SELECT jsonb_object_keys('{}')) END", "jsonb_object_keys");
    fails("CASE WHEN ssn = '1' THEN (VALUES (1), (2)) END", several);
    fails("CASE WHEN ssn = '1' THEN (SELECT count(*) FROM log GROUP BY id) END", several);
    check_all(&[
        ("SELECT CASE WHEN ssn = '1' THEN (SELECT count(*) FROM log) END AS x FROM users", "x~users.ssn"),
        ("SELECT coalesce(ssn, (SELECT message FROM log LIMIT 1)) AS x FROM users", "x~users.ssn"),
        ("SELECT CASE WHEN ssn = '1' THEN (SELECT 'x') END AS x FROM users", "x~users.ssn"),
        ("SELECT (SELECT id FROM log) AS x, ssn FROM users", "x, ssn=users.ssn"),
    ]);
}

#[test]
fn some_calls_always_fail() {
    fails("CASE WHEN ssn = '1' THEN format('%s %s', 'a') END", "format");
    fails("CASE WHEN ssn = '1' THEN json_build_object('a') END", "json_build_object");
    fails("CASE WHEN ssn = '1' THEN jsonb_build_object(VARIADIC '{a}'::text[]) END", "jsonb_build_object");
    fails("CASE WHEN ssn = '1' THEN date_trunc('dow', '2000-01-01'::timestamp) END", "date_trunc");
    fails("CASE WHEN ssn = '1' THEN ARRAY['{}'::json] = ARRAY['{}'::json] END", "=");
}

#[test]
fn some_values_are_too_large() {
    fails("(CASE WHEN ssn = '1' THEN 1e400 ELSE 1.0 END) > 1.0::float8", ">");
    fails("sum(CASE WHEN ssn = '1' THEN 9e131071 ELSE 0.0 END)", "sum");
    fails("date_part('year', CASE WHEN ssn = '1' THEN '500000-01-01'::date END)", "date_part");
}
