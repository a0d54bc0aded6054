//! What an analyst reads, with every driver, in both formats, in every type: never a protected value, always a valid one,
//! and everything else unchanged.

use std::sync::LazyLock;

use grille_e2e::Stage;
use grille_harness::{Endpoint, sample};

/// Columns treated by name, one role for each treatment.
const CLERKS: [(&str, &str); 4] =
    [("null", "null"), ("redact", "redact"), ("keep", "keep-last:4"), ("token", "token")];

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let roles: String = CLERKS.iter().map(|(group, treatment)| clerk(group, treatment)).collect();
    let stage = Stage::standard(&(roles + CAPPED)).expect("the stage is set");
    let tables = table("every_type", &EVERY_TYPE) + ODD_DEFINITIONS + &table("odd_types", &ODD_TYPES);
    stage.application.direct.psql_strict(&tables).and_then(grille_harness::Ran::ok).expect("tables");
    stage
});

const CAPPED: &str = r#"
[[role]]
name = "capped"
groups = ["capped"]
upstreams = ["demo"]
statements = ["read"]
policies = []
detectors = []
row_cap = 10
"#;

/// A column of each type, and two values of it that have nothing in common.
const EVERY_TYPE: [(&str, &str, [&str; 2]); 21] = [
    ("a_text", "text", ["Confidential-1", "Classified"]),
    ("a_varchar", "varchar(12)", ["Secret-12345", "Sec"]),
    ("a_char", "char(14)", ["Hidden-text-77", "Hid"]),
    ("an_int2", "int2", ["31245", "-3"]),
    ("an_int4", "int4", ["2147480011", "7"]),
    ("an_int8", "int8", ["9007199254740993", "-90071992"]),
    ("a_numeric", "numeric(12,2)", ["1234567.89", "-0.5"]),
    ("a_float8", "float8", ["2.718281828", "-271828e18"]),
    ("a_bool", "bool", ["true", "false"]),
    ("a_uuid", "uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b1ffcd00-0d1c-1fa9-9c7e-7cc0ce491b22"]),
    ("a_date", "date", ["1984-05-17", "0044-03-15 BC"]),
    ("a_timestamp", "timestamp", ["1984-05-17 11:22:33.456", "infinity"]),
    ("a_timestamptz", "timestamptz", ["1984-05-17 11:22:33+02", "2031-01-01 00:00:00Z"]),
    ("a_time", "time", ["11:22:33", "23:59:59.999"]),
    ("an_interval", "interval", ["3 years 5 days", "-1 mon"]),
    ("a_json", "json", [r#"{"key": "Confidential-2", "n": 1313131337}"#, "[]"]),
    ("a_jsonb", "jsonb", [r#"{"key": ["Confidential-3"], "n": 1313131338}"#, "true"]),
    ("a_bytea", "bytea", [r"\xdeadbeef0102", r"\x"]),
    ("an_inet", "inet", ["203.0.113.77", "2001:db8::77/64"]),
    ("text_array", "text[]", [r#"{Confidential-4,"quo\"ted"}"#, "[2:3]={NULL,Classified}"]),
    ("int_array", "int[]", ["{1313131339,1313131340}", "{}"]),
];

/// Types that drivers do not know, or not in both formats, and two values of each.
const ODD_TYPES: [(&str, &str, [&str; 2]); 24] = [
    ("a_money", "money", ["$1,234.56", "-$0.07"]),
    ("a_bit", "bit(5)", ["10101", "00110"]),
    ("a_varbit", "varbit(20)", ["1011", "11111111111111111111"]),
    ("a_byte", "\"char\"", ["x", ""]),
    ("a_name", "name", ["Confidential-5", "other"]),
    ("an_oid", "oid", ["1313131341", "1"]),
    ("a_macaddr", "macaddr", ["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"]),
    ("a_cidr", "cidr", ["203.0.113.0/24", "2001:db8::/32"]),
    ("a_timetz", "timetz", ["11:22:33+02", "23:59:59.5-08"]),
    ("a_free_numeric", "numeric", ["1234567.8900", "NaN"]),
    ("a_float4", "float4", ["2.71828", "-Infinity"]),
    ("a_point", "point", ["(1313131342,2)", "(1,1)"]),
    ("a_range", "int4range", ["[1313131343,1313131350)", "empty"]),
    ("a_multirange", "int8multirange", ["{[1313131344,1313131350)}", "{}"]),
    ("a_tsvector", "tsvector", ["'confidential':1", "a"]),
    ("a_tsquery", "tsquery", ["'confidential' & 'x'", "!a"]),
    ("a_jsonpath", "jsonpath", ["$.\"Confidential-6\"", "$"]),
    ("an_enum", "mood", ["Confidential-7", "calm"]),
    ("a_domain", "short_text", ["Confid", "x"]),
    ("a_composite", "pair", ["(1313131345,Confidential-8)", "(,)"]),
    ("byteas", "bytea[]", [r#"{"\\xdeadbeef"}"#, "{NULL}"]),
    ("ranges", "int4range[]", ["{\"[1313131346,1313131350)\"}", "{}"]),
    ("enums", "mood[]", ["{Confidential-7}", "{calm,calm}"]),
    ("composites", "pair[]", ["{\"(1313131347,Confidential-9)\"}", "{}"]),
];

const ODD_DEFINITIONS: &str = "CREATE TYPE mood AS ENUM ('Confidential-7', 'calm');
CREATE DOMAIN short_text AS varchar(6);
CREATE TYPE pair AS (n int, t text);
";

/// What of the first values above is long enough to be told from chance, as it shows in the drivers' languages: tokens are
/// random digits and letters, and there are a thousand of them in an answer.
const SECRETS: [&str; 11] = [
    "Confidential",
    "onfident",
    "Secret-12",
    "Hidden-te",
    "2147480011",
    "90071992",
    "1234567.8",
    "13131313",
    "deadbeef",
    "a0eebc99",
    "203.0.113",
];

/// A table with a row of each value and a row of NULLs.
fn table(name: &str, types: &[(&str, &str, [&str; 2])]) -> String {
    let columns: Vec<String> = types.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    let row = |which: usize| {
        let values = types.iter().map(|(.., values)| format!("$v${}$v$", values[which]));
        values.collect::<Vec<_>>().join(", ")
    };
    format!(
        "CREATE TABLE {name} (id int, {});\nINSERT INTO {name} VALUES (1, {}), (2, {});\nINSERT INTO {name} VALUES (3);\n",
        columns.join(", "),
        row(0),
        row(1)
    )
}

fn clerk(group: &str, treatment: &str) -> String {
    let tables = [("every_type", &EVERY_TYPE[..]), ("odd_types", &ODD_TYPES[..])];
    let columns: Vec<String> = tables
        .iter()
        .flat_map(|(table, types)| types.iter().map(move |(column, ..)| format!("public.{table}.{column}")))
        .map(|column| format!("{column:?} = {treatment:?}"))
        .collect();
    format!(
        "\n[[role]]\nname = \"clerk-{group}\"\ngroups = [\"clerk-{group}\"]\nupstreams = [\"demo\"]\n\
         statements = [\"read\", \"session\", \"transaction\"]\npolicies = []\ndetectors = []\n\
         columns = {{ {} }}\n",
        columns.join(", ")
    )
}

fn assert_nothing_raw(text: &str) {
    assert_eq!(sample::canaries_in(text), Vec::<String>::new());
}

const CUSTOMERS: &str = "SELECT * FROM customers ORDER BY id";

#[test]
fn psql_reads_masked_customers() -> anyhow::Result<()> {
    let said = STAGE.analyst()?.psql_strict(CUSTOMERS)?.ok()?;
    assert_nothing_raw(&said);
    for (line, customer) in said.lines().zip(sample::customers()) {
        let cells: Vec<&str> = line.split('|').collect();
        assert_eq!((cells[0], cells[1]), (customer.id.to_string().as_str(), customer.name.as_str()));
        assert!(
            cells[4].starts_with("**** **** **** ") && cells[4].ends_with(&customer.card[15..]),
            "{line}"
        );
        // Around what was found the text stays.
        assert!(cells[7].starts_with("Prefers mail to ") && cells[7].ends_with('.'), "{line}");
        assert_eq!(cells[13], if customer.id % 3 == 0 { "f" } else { "t" });
    }
    assert_eq!(said.lines().count(), sample::CUSTOMERS as usize);
    Ok(())
}

/// Both drivers, both formats, client-side and server-side cursors, prepared and not.
const DRIVERS: &str = r#"
import psycopg, psycopg2
query = "SELECT * FROM customers WHERE id < %s ORDER BY id"
answers = []
with psycopg.connect("") as connection:
    for binary in (False, True):
        for prepare in (False, True):
            cursor = connection.cursor(binary=binary)
            answers.append(cursor.execute(query, (200,), prepare=prepare).fetchall())
with psycopg2.connect("") as connection:
    cursor = connection.cursor()
    cursor.execute(query, (200,))
    rows = [list(row) for row in cursor.fetchall()]
    assert [row[:8] for row in rows] == [list(row[:8]) for row in answers[0]], "psycopg2 reads something else"
assert all(answer == answers[0] for answer in answers), "formats differ"
for row in answers[0]:
    print(*row, sep="|")
"#;

#[test]
fn python_drivers_read_the_same_masked_customers_in_both_formats() -> anyhow::Result<()> {
    let said = STAGE.python(DRIVERS, &STAGE.analyst()?)?;
    assert_nothing_raw(&said);
    assert_eq!(said.lines().count(), 199);
    Ok(())
}

#[tokio::test]
async fn tokio_postgres_reads_masked_customers() -> anyhow::Result<()> {
    let client = STAGE.analyst()?.connect().await?;
    let rows =
        client.query("SELECT email, notes, tags, card FROM customers WHERE id > $1", &[&0_i64]).await?;
    assert_eq!(rows.len(), sample::CUSTOMERS as usize);
    for row in rows {
        let (email, notes, tags, card): (&str, &str, Vec<&str>, &str) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_nothing_raw(&[email, notes, &tags.join(" "), card].join(" "));
    }
    Ok(())
}

#[tokio::test]
async fn rows_asked_for_in_portions_are_masked() -> anyhow::Result<()> {
    let mut client = STAGE.analyst()?.connect().await?;
    let transaction = client.transaction().await?;
    let portal = transaction.bind("SELECT email FROM customers", &[]).await?;
    let mut count = 0;
    loop {
        let rows = transaction.query_portal(&portal, 70).await?;
        if rows.is_empty() {
            break;
        }
        rows.iter().for_each(|row| assert_nothing_raw(row.get(0)));
        count += rows.len();
    }
    assert_eq!(count, sample::CUSTOMERS as usize);
    Ok(())
}

#[test]
fn equal_values_have_equal_tokens() -> anyhow::Result<()> {
    let said = STAGE
        .analyst()?
        .psql_strict("SELECT c.email, d.email FROM customers c JOIN customers d USING (id)")?
        .ok()?;
    let mut tokens = std::collections::BTreeSet::new();
    for line in said.lines() {
        let (one, other) = line.split_once('|').expect("two columns");
        assert_eq!(one, other);
        tokens.insert(one.to_owned());
    }
    assert_eq!(tokens.len(), sample::CUSTOMERS as usize);
    Ok(())
}

/// Prints each column of the first row, read in text and in binary, and then whether the second is of NULLs.
const READ_EVERY_TYPE: &str = r#"
import psycopg
with psycopg.connect("") as connection:
    query = "SELECT * FROM every_type WHERE id <> 2 ORDER BY id"
    texts = connection.cursor(binary=False).execute(query).fetchall()
    cursor = connection.cursor(binary=True)
    binaries = cursor.execute(query).fetchall()
    for column, text, binary in zip(cursor.description, texts[0], binaries[0]):
        print(column.name, repr(text), repr(binary), sep="\t")
    print("nulls", all(v is None for v in texts[1][1:]), all(v is None for v in binaries[1][1:]), sep="\t")
"#;

fn read_every_type(endpoint: &Endpoint) -> anyhow::Result<Vec<[String; 3]>> {
    let said = STAGE.python(READ_EVERY_TYPE, endpoint)?;
    let rows = said.lines().map(|line| {
        let mut cells = line.split('\t').map(str::to_owned);
        [(); 3].map(|()| cells.next().unwrap_or_default())
    });
    Ok(rows.collect())
}

#[test]
fn every_type_is_treated_alike_in_both_formats() -> anyhow::Result<()> {
    let raw = read_every_type(&STAGE.application.direct)?;
    for (group, treatment) in CLERKS {
        let treated = read_every_type(&STAGE.member_of(&format!("clerk-{group}"))?)?;
        assert_eq!(treated.len(), raw.len(), "{treatment}");
        for ([column, raw, _], [name, text, binary]) in raw.iter().zip(&treated) {
            assert_eq!(column, name);
            assert_eq!(text, binary, "{column} under {treatment}");
            let may_stay = ["id", "nulls", "a_bool"].contains(&column.as_str());
            assert!(may_stay || text != raw, "{column} under {treatment} is {text}");
            if treatment == "null" && !may_stay {
                assert_eq!(text, "None", "{column}");
            }
        }
        let everything = format!("{treated:?}");
        for secret in SECRETS {
            assert!(!everything.contains(secret), "{secret} under {treatment}: {everything}");
        }
    }
    Ok(())
}

#[test]
fn treated_values_are_valid_for_their_types() -> anyhow::Result<()> {
    for (group, treatment) in CLERKS {
        let clerk = STAGE.member_of(&format!("clerk-{group}"))?;
        for (table, types) in [("every_type", &EVERY_TYPE[..]), ("odd_types", &ODD_TYPES[..])] {
            let read = format!("\\pset null NULL\nSELECT * FROM {table} WHERE id = 1");
            let said = clerk.psql_strict(&read)?.ok()?;
            assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{treatment}: {said}");
            let values: Vec<&str> = said.trim_end_matches('\n').split('|').skip(1).collect();
            assert_eq!(values.len(), types.len(), "{said}");
            for ((column, kind, _), value) in types.iter().zip(values) {
                let literal = if value == "NULL" { value.to_owned() } else { format!("$v${value}$v$") };
                let back = STAGE.application.direct.psql_strict(&format!("SELECT {literal}::{kind}"))?;
                assert_eq!(back.code, 0, "{column} under {treatment}: {}", back.said());
            }
        }
    }
    Ok(())
}

/// Prints, for each format, the rows of a table as they come, with their keys left out.
const READ_ROWS: &str = r#"
import psycopg
with psycopg.connect("") as connection:
    for table in ("every_type", "odd_types"):
        for binary in (0, 1):
            result = connection.pgconn.exec_params(
                f"SELECT * FROM {table} WHERE id < 3 ORDER BY id".encode(), None, result_format=binary)
            assert result.error_message == b"", result.error_message
            for column in range(1, result.nfields):
                print(table, binary, result.fname(column).decode(), *(result.get_value(row, column) for row in (0, 1)), sep="\t")
"#;

#[test]
fn nothing_of_a_redacted_value_shows() -> anyhow::Result<()> {
    let rows = |endpoint: &Endpoint| STAGE.python(READ_ROWS, endpoint);
    let direct = rows(&STAGE.application.direct)?;
    let redacted = rows(&STAGE.member_of("clerk-redact")?)?;
    assert_eq!(redacted.lines().count(), 2 * (EVERY_TYPE.len() + ODD_TYPES.len()));
    assert_eq!(direct.lines().count(), redacted.lines().count());
    for (direct, redacted) in direct.lines().zip(redacted.lines()) {
        let twins = |line: &str| {
            let (rest, other) = line.rsplit_once('\t').expect("five columns");
            rest.rsplit_once('\t').expect("five columns").1 == other
        };
        assert!(!twins(direct), "nothing is to be seen of {direct}");
        assert!(twins(redacted), "{redacted} shows which of the two it was");
    }
    Ok(())
}

/// Values with values inside, as drivers ask for them: nothing in them is sensitive.
const STRUCTURES: &str = r#"
import psycopg
queries = (
    "SELECT int4range(1, 5), '{[1,3),[7,9)}'::int8multirange, numrange(NULL, 1.5), 'empty'::int4range",
    "SELECT ROW(1, 'abc', NULL, ARRAY[1, 2]), ARRAY[ROW(1, 'x'), ROW(2, 'y')], (SELECT o FROM orders o WHERE id = 1)",
    "SELECT 'fat:1 cat:2'::tsvector, 'fat & (cat | !rat)'::tsquery, 'fat <-> cat'::tsquery, '$.a[*]'::jsonpath",
    "SELECT 'calm'::mood, ARRAY['calm'::mood], (1, 'abc')::pair, ARRAY[(1, 'abc')::pair], 'abc'::short_text",
    "SELECT point(1, 2), '0/16B3748'::pg_lsn, 'orders'::regclass, ARRAY[point(1, 2)], 1::money, '1 2'::int2vector",
)
with psycopg.connect("") as connection:
    for query in queries:
        for binary in (0, 1):
            result = connection.pgconn.exec_params(query.encode(), None, result_format=binary)
            assert result.error_message == b"", result.error_message
            print(*(result.get_value(0, column) for column in range(result.nfields)), sep="\t")
"#;

#[test]
fn values_with_values_inside_pass_the_detectors() -> anyhow::Result<()> {
    let direct = STAGE.python(STRUCTURES, &STAGE.application.direct)?;
    assert_eq!(STAGE.python(STRUCTURES, &STAGE.analyst()?)?, direct);
    Ok(())
}

/// The same with something in each value that a detector finds.
const SENSITIVE_STRUCTURES: &str = r#"
import psycopg
query = """SELECT c, ARRAY[c], ROW(1, c.email), ROW(ROW(c.card)), ROW(c.email::bytea), ROW(to_jsonb(c.email)), ROW(ARRAY[c.email]),
    ROW('"' || c.email || '"'), to_tsvector('simple', c.email), quote_literal(c.email)::tsquery,
    ('$."' || c.email || '"')::jsonpath, ARRAY[to_tsvector('simple', c.email)]
    FROM customers c WHERE id = 7"""
with psycopg.connect("") as connection:
    for binary in (0, 1):
        result = connection.pgconn.exec_params(query.encode(), None, result_format=binary)
        assert result.error_message == b"", result.error_message
        print(*(result.get_value(0, column) for column in range(result.nfields)), sep="\t")
"#;

#[test]
fn what_detectors_find_inside_of_values_is_gone() -> anyhow::Result<()> {
    let said = STAGE.python(SENSITIVE_STRUCTURES, &STAGE.analyst()?)?;
    assert_nothing_raw(&said);
    for (format, line) in said.lines().enumerate() {
        let cells: Vec<&str> = line.split('\t').collect();
        for (column, cell) in cells.iter().enumerate() {
            // The last is an array of a type that is known: its element becomes NULL.
            let is_null = column != 11;
            assert_eq!(*cell == "None", is_null, "column {column} in format {format}: {cell}");
        }
    }
    Ok(())
}

#[test]
fn a_named_column_is_treated_under_any_label() -> anyhow::Result<()> {
    let clerk = STAGE.member_of("clerk-redact")?;
    let said = clerk.psql_strict("SELECT a_text AS harmless, a_text FROM every_type AS e")?.ok()?;
    assert!(!said.contains("Confidential"), "{said}");
    Ok(())
}

#[test]
fn errors_do_not_quote_what_results_may_not_show() -> anyhow::Result<()> {
    for statement in [
        "SELECT email::integer FROM customers WHERE id = 7",
        "SELECT card::numeric FROM customers WHERE id = 7",
        "DO $$ BEGIN RAISE NOTICE 'see customer.0007@mail.example.com'; END $$",
    ] {
        let ran = STAGE.analyst()?.psql(statement)?;
        assert!(!ran.stderr.is_empty(), "{statement} ends in an error");
        assert_nothing_raw(&ran.said());
    }
    Ok(())
}

#[test]
fn what_no_obligation_touches_is_as_it_was() -> anyhow::Result<()> {
    for query in [
        "SELECT * FROM orders ORDER BY id",
        "SELECT id, name, balance, born, uid, active FROM customers ORDER BY id",
        "SELECT n, n::text, n * 1.5, NULL, ''::text, '{}'::jsonb FROM generate_series(1, 1000) n",
        "SELECT repeat('long ', 100000)",
        "SELECT 1; SELECT 2; SELECT 3 WHERE false",
    ] {
        let direct = STAGE.application.direct.psql_strict(query)?.ok()?;
        for endpoint in [STAGE.analyst()?, STAGE.engineer()?] {
            assert_eq!(endpoint.psql_strict(query)?.ok()?, direct, "{query}");
        }
    }
    Ok(())
}

#[test]
fn an_unguarded_role_reads_everything() -> anyhow::Result<()> {
    let direct = STAGE.application.direct.psql_strict(CUSTOMERS)?.ok()?;
    assert_eq!(STAGE.engineer()?.psql_strict(CUSTOMERS)?.ok()?, direct);
    Ok(())
}

#[test]
fn a_row_cap_holds() -> anyhow::Result<()> {
    let capped = STAGE.member_of("capped")?;
    assert_eq!(capped.psql("SELECT id FROM customers LIMIT 10")?.stdout.lines().count(), 10);
    let over = capped.psql("SELECT id FROM customers")?;
    assert!(over.stderr.contains("more rows than may be read at once"), "{}", over.said());
    assert!(over.stdout.lines().count() <= 10, "{}", over.stdout);
    Ok(())
}
