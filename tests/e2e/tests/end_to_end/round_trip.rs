//! Tokens that come back: a client finds rows by the tokens it was given, and by nothing else; no value shows on the way.

use std::sync::LazyLock;

use grille_e2e::Stage;
use grille_harness::{Endpoint, sample};

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::with_policy(ROLES, "").expect("the stage is set"));

const ROLES: &str = r#"
[[role]]
name = "matcher"
groups = ["matchers"]
upstreams = ["demo"]
statements = ["read", "write", "define", "transaction", "session"]
policies = []
detectors = []
round_trip_tokens = true
columns = { "public.customers.email" = "token", "public.customers.ssn" = "token", "public.customers.card" = "redact" }

[[role]]
name = "comparer"
groups = ["comparers"]
upstreams = ["demo"]
statements = ["read"]
policies = []
detectors = []
round_trip_tokens = true
row_shaping = "equality"
columns = { "public.customers.email" = "token" }

[[role]]
name = "one-way"
groups = ["one-way"]
upstreams = ["demo"]
statements = ["read"]
policies = []
detectors = []
columns = { "public.customers.email" = "token" }
"#;

fn matcher() -> anyhow::Result<Endpoint> {
    STAGE.member_of("matchers")
}

fn read(endpoint: &Endpoint, sql: &str) -> anyhow::Result<String> {
    let said = endpoint.psql_strict(sql)?.ok()?;
    assert_eq!(sample::canaries_in(&said), Vec::<String>::new(), "{sql}");
    Ok(said.trim_end().to_owned())
}

fn token_of(column: &str, id: u32) -> anyhow::Result<String> {
    let token = read(&matcher()?, &format!("SELECT {column} FROM customers WHERE id = {id}"))?;
    assert!(token.starts_with("tokr_"), "{token}");
    Ok(token)
}

#[test]
fn rows_are_found_by_the_tokens_they_came_with() -> anyhow::Result<()> {
    let (seven, eight) = (token_of("email", 7)?, token_of("email", 8)?);
    assert_ne!(seven, eight);
    let check = |sql: &str, expected: &str| -> anyhow::Result<()> {
        let sql = sql.replace("SEVEN", &format!("'{seven}'")).replace("EIGHT", &format!("'{eight}'"));
        assert_eq!(read(&matcher()?, &sql)?, expected, "{sql}");
        Ok(())
    };
    check("SELECT id FROM customers WHERE email = SEVEN", "7")?;
    check("SELECT id FROM customers WHERE SEVEN=email AND id < 100", "7")?;
    check("SELECT id FROM customers WHERE id > 0 AND(email=SEVEN)OR email=EIGHT ORDER BY id", "7\n8")?;
    check("SELECT id FROM customers WHERE email IN (SEVEN, EIGHT) ORDER BY id", "7\n8")?;
    check("SELECT count(*) FROM customers WHERE email = SEVEN::text", "1")?;
    check(
        "SELECT o.customer_id FROM orders o JOIN customers c ON c.id = o.customer_id AND c.email = SEVEN LIMIT 1",
        "7",
    )?;
    check("SELECT email = SEVEN FROM customers WHERE id = 7", "f")?;
    check(&format!("SELECT email FROM customers WHERE email = '{seven}'"), &seven)?;
    // Elsewhere a token is a text like any other.
    check("SELECT count(*) FROM customers WHERE name = SEVEN", "0")?;
    check("SELECT SEVEN::text = SEVEN", "t")?;
    Ok(())
}

/// Drivers send parameters in both formats, with and without their types, prepared and not.
const BY_PARAMETER: &str = r#"
import psycopg
with psycopg.connect("", autocommit=True) as connection:
    tokens = [row[0] for row in connection.execute("SELECT email FROM customers WHERE id IN (7, 8) ORDER BY id")]
    assert all(token.startswith("tokr_") for token in tokens), tokens
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        for prepare in (False, True):
            row = cursor.execute("SELECT id, email FROM customers WHERE email = %s", tokens[:1], prepare=prepare).fetchone()
            assert row == (7, tokens[0]), row
            row = cursor.execute("SELECT id FROM customers WHERE email IN (%s, %s) ORDER BY id", tokens, prepare=prepare).fetchall()
            assert row == [(7,), (8,)], row
    for types in ([0], [25], [1043]):
        for form in (0, 1):
            result = connection.pgconn.exec_params(
                b"SELECT id FROM customers WHERE email = $1", [tokens[1].encode()], param_types=types, param_formats=[form])
            assert result.get_value(0, 0) == b"8", result.error_message
    assert connection.execute("SELECT id FROM customers WHERE email = %s", [None]).fetchall() == []
    assert connection.execute("UPDATE customers SET name = name WHERE email = %s", tokens[:1]).rowcount == 1
"#;

#[test]
fn drivers_find_rows_by_parameters() -> anyhow::Result<()> {
    STAGE.python(BY_PARAMETER, &matcher()?)?;
    Ok(())
}

#[tokio::test]
async fn a_statement_prepared_once_finds_rows_by_each_token() -> anyhow::Result<()> {
    let client = matcher()?.connect().await?;
    let find = client.prepare("SELECT id FROM customers WHERE email = $1").await?;
    for row in client.query("SELECT id, email FROM customers WHERE id <= 20", &[]).await? {
        let (id, token): (i64, &str) = (row.get(0), row.get(1));
        assert_eq!(client.query_one(&find, &[&token]).await?.get::<_, i64>(0), id);
    }
    let guess = sample::customers().next().expect("a customer").email;
    let refused = client.query(&find, &[&guess]).await.expect_err("a value is no token");
    let refused = refused.as_db_error().expect("an answer of Grille's");
    assert_eq!(refused.code().code(), "42501");
    assert!(refused.message().contains("$1"), "{refused:?}");
    Ok(())
}

#[test]
fn nothing_but_tokens_of_the_column_is_compared() -> anyhow::Result<()> {
    let (email, ssn) = (token_of("email", 7)?, token_of("ssn", 7)?);
    let customer = sample::customers().nth(6).expect("seven customers");
    let last = if email.ends_with('a') { 'b' } else { 'a' };
    let broken = format!("{}{last}", &email[..email.len() - 1]);
    for condition in [
        format!("email = '{}'", customer.email),
        format!("email IN ('{email}', '{}')", customer.email),
        format!("email = '{email}' OR email = '{}'", customer.email),
        format!("email = '{ssn}'"),
        format!("ssn = '{email}'"),
        format!("email = '{broken}'"),
        format!("email = '{}'", email.to_uppercase()),
        "email = 'tok_aaaaaaaaaaaaaaaa'".to_owned(),
        format!("email = '{email}'::varchar(3)"),
        format!("email = CAST('{email}' AS \"char\")"),
        format!("email = ANY (ARRAY['{email}', '{email}']::varchar(3)[])"),
        format!("email LIKE '{email}'"),
        format!("email > '{email}'"),
        format!("email <> '{email}'"),
        format!("lower(email) = '{email}'"),
        format!("email = lower('{email}')"),
        format!("card = '{email}'"),
        format!("email IN ('{email}', 123::text)"),
        format!("email = '{email}' AND current_query() LIKE '%example.com%'"),
    ] {
        let ran = matcher()?.psql(&format!("SELECT id, current_query() FROM customers WHERE {condition}"))?;
        assert!(ran.stderr.contains("42501"), "{condition}: {}", ran.said());
        let ran = matcher()?.psql(&format!("SELECT id FROM customers WHERE {condition}"))?;
        assert!(ran.stderr.contains("42501"), "{condition}: {}", ran.said());
        assert_eq!(sample::canaries_in(&ran.said()), Vec::<String>::new());
    }
    Ok(())
}

/// Parameters that stand, or are declared, where what they become would show.
const BAD_PARAMETERS: &str = r#"
import psycopg
with psycopg.connect("", autocommit=True) as connection:
    token = connection.execute("SELECT email FROM customers WHERE id = 7").fetchone()[0].encode()
    for query, types in (
        ("SELECT $1::text FROM customers WHERE email = $1", [0]),
        ("SELECT id FROM customers WHERE email = $1 OR name = $1", [0]),
        ("SELECT id FROM customers WHERE email = $1::varchar(3)", [0]),
        ("SELECT id FROM customers WHERE email = $1::\"char\"", [0]),
        ("SELECT id FROM customers WHERE email = $1", [18]),
        ("SELECT id FROM customers WHERE email = $1", [19]),
        ("SELECT id FROM customers WHERE email = substr($1, 1, 3)", [0]),
        ("SELECT id FROM customers WHERE email = ANY ($1)", [1009]),
        (f"SELECT id FROM customers WHERE email = '{token.decode()}' AND id = $1", [20]),
    ):
        parameter = b"1" if types == [20] else b"{%s}" % token if types == [1009] else token
        result = connection.pgconn.exec_params(query.encode(), [parameter], param_types=types)
        state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        assert state == b"42501", (query, types, state, result.error_message, [result.get_value(0, 0)])
"#;

#[test]
fn a_parameter_is_turned_back_where_it_stands_for_nothing_else() -> anyhow::Result<()> {
    STAGE.python(BAD_PARAMETERS, &matcher()?)?;
    Ok(())
}

#[test]
fn no_text_that_the_server_keeps_has_a_value_in_it() -> anyhow::Result<()> {
    let email = token_of("email", 7)?;
    for statement in [
        format!("CREATE VIEW found AS SELECT id FROM customers WHERE email = '{email}'"),
        format!("CREATE TABLE found AS SELECT id FROM customers WHERE email = '{email}'"),
        format!("PREPARE p AS SELECT id FROM customers WHERE email = '{email}'"),
        format!("PREPARE p AS SELECT id FROM customers WHERE email = $1; EXECUTE p('{email}')"),
        format!("BEGIN; DECLARE c CURSOR FOR SELECT id FROM customers WHERE email = '{email}'"),
        format!("EXPLAIN SELECT id FROM customers WHERE email = '{email}'"),
        format!("UPDATE customers SET name = name WHERE email = '{email}'"),
    ] {
        let ran = matcher()?.psql(&statement)?;
        assert!(ran.stderr.contains("42501"), "{statement}: {}", ran.said());
    }
    Ok(())
}

#[test]
fn a_view_of_the_statement_shows_no_value() -> anyhow::Result<()> {
    let email = token_of("email", 7)?;
    let view = "CREATE TEMP VIEW shown AS SELECT current_query() AS q";
    let find = format!("SELECT q FROM shown, customers WHERE email = '{email}'");
    for statement in [find.clone(), format!("SELECT current_query() FROM customers WHERE email = '{email}'")]
    {
        let ran = matcher()?.psql(&format!("{view};\n{statement};"))?;
        assert_eq!(sample::canaries_in(&ran.said()), Vec::<String>::new(), "{statement}");
    }
    Ok(())
}

#[test]
fn places_in_errors_tell_nothing_of_a_value() -> anyhow::Result<()> {
    let places: Vec<String> = [7, 300]
        .map(|id| -> anyhow::Result<String> {
            let email = token_of("email", id)?;
            let statement =
                format!("SELECT id FROM customers WHERE email = '{email}' AND no_such_column = 1");
            let said = matcher()?.psql(&statement)?.stderr;
            Ok(said.lines().filter(|line| line.contains('^') || line.contains("POSITION")).collect())
        })
        .into_iter()
        .collect::<anyhow::Result<_>>()?;
    assert_eq!(places[0], places[1]);
    Ok(())
}

#[test]
fn a_role_that_may_compare_finds_rows_by_values_and_by_tokens() -> anyhow::Result<()> {
    let comparer = STAGE.member_of("comparers")?;
    let customer = sample::customers().nth(6).expect("seven customers");
    let find = |what: &str| read(&comparer, &format!("SELECT id FROM customers WHERE email = '{what}'"));
    assert_eq!(find(&customer.email)?, "7");
    assert_eq!(find(&token_of("email", 7)?)?, "7");
    assert_eq!(find("tokr_aaaa")?, "");
    Ok(())
}

#[test]
fn one_way_tokens_do_not_come_back() -> anyhow::Result<()> {
    let one_way = STAGE.member_of("one-way")?;
    let token = read(&one_way, "SELECT email FROM customers WHERE id = 7")?;
    assert!(token.starts_with("tok_"), "{token}");
    for token in [token, token_of("email", 7)?] {
        let ran = one_way.psql(&format!("SELECT id FROM customers WHERE email = '{token}'"))?;
        assert!(ran.stderr.contains("42501"), "{}", ran.said());
    }
    Ok(())
}

#[test]
fn what_grille_writes_has_no_value_in_it() -> anyhow::Result<()> {
    let token = token_of("email", 9)?;
    read(&matcher()?, &format!("SELECT id FROM customers WHERE email = '{token}'"))?;
    let email = sample::customers().nth(8).expect("nine customers").email;
    let written = STAGE.grille.everything_written()?;
    assert!(!written.contains(&email) && !written.contains(&token), "a value or token in what Grille writes");
    Ok(())
}
