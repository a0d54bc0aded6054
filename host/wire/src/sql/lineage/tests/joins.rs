//! Joins: which columns there are, and what compares them.

use super::check_all;

#[test]
fn joins() {
    check_all(&[
        ("SELECT u.name, o.amount FROM users u JOIN orders o ON o.user_id = u.id", "name, amount"),
        (
            "SELECT u.ssn, o.amount FROM users u LEFT JOIN orders o ON o.user_id = u.id",
            "ssn=users.ssn, amount",
        ),
        ("SELECT 1 FROM users u JOIN accounts a ON a.iban = u.ssn", "?column? | ON: users.ssn+accounts.iban"),
        ("SELECT 1 FROM users u JOIN log l ON l.message = u.ssn", "?column? | ON: users.ssn"),
        ("SELECT * FROM log JOIN orders USING (id)", "id, message, at, user_id, amount, status, placed"),
        ("SELECT * FROM accounts NATURAL JOIN log", "id, iban=accounts.iban, owner, message, at"),
        ("SELECT a.*, 1 FROM accounts a JOIN log USING (id)", "id, iban=accounts.iban, owner, ?column?"),
        ("SELECT id FROM accounts JOIN log USING (id)", "id"),
        ("SELECT iban FROM accounts JOIN refs USING (iban)", "iban=accounts.iban | USING: accounts.iban"),
        ("SELECT iban FROM refs JOIN accounts USING (iban)", "iban | USING: accounts.iban"),
        (
            "SELECT iban FROM refs RIGHT JOIN accounts USING (iban)",
            "iban=accounts.iban | USING: accounts.iban",
        ),
        (
            "SELECT iban FROM refs FULL JOIN accounts USING (iban)",
            "iban~accounts.iban | USING: accounts.iban",
        ),
        ("SELECT * FROM refs NATURAL JOIN accounts", "id, iban, owner | NATURAL JOIN: accounts.iban"),
        (
            "SELECT j.* FROM (accounts a JOIN log l USING (id)) j",
            "id, iban=accounts.iban, owner, message, at",
        ),
        ("SELECT j.x, j.y FROM (accounts a JOIN log l USING (id)) AS j (x, y)", "x, y=accounts.iban"),
        ("SELECT a.iban FROM (accounts a JOIN log l USING (id)) j", "iban?"),
        ("SELECT k.id, message FROM log JOIN orders USING (id) AS k", "id, message"),
        (
            "SELECT * FROM log l JOIN orders o USING (id) JOIN accounts USING (id)",
            "id, message, at, user_id, amount, status, placed, iban=accounts.iban, owner",
        ),
        ("SELECT * FROM log CROSS JOIN refs", "id, message, at, id, iban"),
        ("SELECT * FROM log NATURAL JOIN nowhere", "* | NATURAL JOIN: "),
        ("SELECT message FROM log, nowhere", "message"),
        ("SELECT other FROM log, nowhere", "other?"),
        ("SELECT u.id FROM users u, users v WHERE u.ssn = v.ssn", "id | WHERE: users.ssn"),
        (
            "SELECT o.id FROM orders o JOIN LATERAL (SELECT u.ssn FROM users u WHERE u.id = o.user_id) x ON true",
            "id",
        ),
        (
            "SELECT x.ssn FROM orders o JOIN LATERAL (SELECT u.ssn FROM users u WHERE u.id = o.user_id) x ON true",
            "ssn=users.ssn",
        ),
        (
            "SELECT count(*) FROM orders o LEFT JOIN users u ON u.id = o.user_id WHERE u.active AND o.placed > now()",
            "count",
        ),
    ]);
}
