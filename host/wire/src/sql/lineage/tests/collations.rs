//! Texts that cannot be compared, or not searched, for how they are collated; which a protected value can make show.

use super::check_all;

/// `expression` over `letters` fails when it is evaluated, for `culprit`; a protected value decides whether it is.
fn fails(expression: &str, culprit: &str) {
    let sql = format!("SELECT CASE WHEN ssn = '1' THEN {expression} END AS x FROM users, letters");
    check_all(&[(&sql, &format!("x~users.ssn | fails {culprit}: users.ssn"))]);
}

fn works(expression: &str) {
    let sql = format!("SELECT CASE WHEN ssn = '1' THEN {expression} END AS x FROM users, letters");
    check_all(&[(&sql, "x~users.ssn")]);
}

#[test]
fn two_that_are_not_the_same_do_not_mix() {
    fails("upper(c || p)", "upper");
    fails("c < p", "<");
    fails("c IS DISTINCT FROM p", "=");
    fails("c IN ('a', p)", "=");
    fails("nullif(c, p)", "nullif");
    fails("greatest(c, p)", "greatest or least");
    fails("c LIKE p || '%'", "~~");
    fails("CASE c WHEN p THEN 1 END", "=");
    fails("(SELECT max(x) FROM (SELECT c AS x FROM letters UNION ALL SELECT p FROM letters) q)", "max");
    fails("c = ANY (ARRAY[p])", "=");
    fails("upper((ROW(c || p)).f1)", "upper");
    works("c || p");
    works("upper(c || usual) || lower(p)");
    works("(c, p) IS NULL");
    works("upper(c)");
    works("upper(CASE c WHEN 'a' THEN p END)");
    works("(p, 1) = ('a', 2)");
    works("octet_length(c) > 0 OR c < usual");
}

#[test]
fn what_is_not_deterministic_cannot_be_searched() {
    fails("strpos(loose, 'a')", "strpos");
    fails("replace(usual, loose, 'a')", "replace");
    fails("loose LIKE 'a%'", "~~");
    fails("loose ~ 'a'", "~");
    fails("strpos(usual, 'a' COLLATE nd)", "strpos");
    works("loose = 'a'");
    works("lower(loose) < usual");
}

#[test]
fn a_protected_column_may_have_one() {
    check_all(&[
        (
            "SELECT upper(ssn), ssn = $1, ssn LIKE '1%' FROM local",
            "upper~local.ssn, ?column?~local.ssn, ?column?~local.ssn",
        ),
        ("SELECT id FROM local WHERE ssn = $1", "id | =$1: local.ssn"),
        ("SELECT id FROM local WHERE mail = $1", "id | =$1: local.mail"),
        ("SELECT strpos(mail, 'x') FROM local", "strpos~local.mail | fails strpos: local.mail"),
        ("SELECT ssn < c FROM local, letters", "?column?~local.ssn | fails <: local.ssn"),
        ("SELECT ssn < relname FROM local, pg_class", "?column?~local.ssn | fails <: local.ssn"),
        ("SELECT upper(c || p), users.ssn FROM users, letters", "upper, ssn=users.ssn"),
    ]);
}
