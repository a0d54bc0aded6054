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
    stage.application.direct.psql_strict(&every_type()).and_then(grille_harness::Ran::ok).expect("a table");
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

/// A column of each type, and a value in it.
const EVERY_TYPE: [(&str, &str, &str); 21] = [
    ("a_text", "text", "Confidential-1"),
    ("a_varchar", "varchar(12)", "Secret-12345"),
    ("a_char", "char(14)", "Hidden-text-77"),
    ("an_int2", "int2", "31245"),
    ("an_int4", "int4", "2147480011"),
    ("an_int8", "int8", "9007199254740993"),
    ("a_numeric", "numeric(12,2)", "1234567.89"),
    ("a_float8", "float8", "2.718281828"),
    ("a_bool", "bool", "true"),
    ("a_uuid", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("a_date", "date", "1984-05-17"),
    ("a_timestamp", "timestamp", "1984-05-17 11:22:33.456"),
    ("a_timestamptz", "timestamptz", "1984-05-17 11:22:33+02"),
    ("a_time", "time", "11:22:33"),
    ("an_interval", "interval", "3 years 5 days"),
    ("a_json", "json", r#"{"key": "Confidential-2", "n": 31337}"#),
    ("a_jsonb", "jsonb", r#"{"key": ["Confidential-3"], "n": 31338}"#),
    ("a_bytea", "bytea", r"\xdeadbeef0102"),
    ("an_inet", "inet", "203.0.113.77"),
    ("text_array", "text[]", r#"{Confidential-4,"quo\"ted"}"#),
    ("int_array", "int[]", "{31339,31340}"),
];

/// What of the values above is long enough to be told from chance, as it shows in the drivers' languages.
const SECRETS: [&str; 13] = [
    "Confidential",
    "Secret",
    "Hidden-te",
    "2147480011",
    "90071992",
    "1234567",
    "31337",
    "31338",
    "deadbeef",
    "a0eebc99",
    "203.0.113",
    "2.718",
    "31339",
];

/// The table `every_type` with a row of the values and a row of NULLs.
fn every_type() -> String {
    let columns: Vec<String> = EVERY_TYPE.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    let values: Vec<String> = EVERY_TYPE.iter().map(|(.., value)| format!("$v${value}$v$")).collect();
    format!(
        "CREATE TABLE every_type ({});\nINSERT INTO every_type VALUES ({});\nINSERT INTO every_type DEFAULT VALUES;",
        columns.join(", "),
        values.join(", ")
    )
}

fn clerk(group: &str, treatment: &str) -> String {
    let columns: Vec<String> = EVERY_TYPE
        .iter()
        .map(|(column, ..)| format!("\"public.every_type.{column}\" = {treatment:?}"))
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
    texts = connection.cursor(binary=False).execute("SELECT * FROM every_type").fetchall()
    cursor = connection.cursor(binary=True)
    binaries = cursor.execute("SELECT * FROM every_type").fetchall()
    for column, text, binary in zip(cursor.description, texts[0], binaries[0]):
        print(column.name, repr(text), repr(binary), sep="\t")
    print("nulls", all(v is None for v in texts[1]), all(v is None for v in binaries[1]), sep="\t")
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
            let may_stay = column == "nulls" || column == "a_bool";
            assert!(may_stay || text != raw, "{column} under {treatment} is {text}");
            if treatment == "null" && column != "nulls" {
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
        let read = "\\pset null NULL\nSELECT * FROM every_type WHERE a_uuid IS NOT NULL";
        let said = STAGE.member_of(&format!("clerk-{group}"))?.psql_strict(read)?.ok()?;
        let values: Vec<&str> = said.trim_end_matches('\n').split('|').collect();
        assert_eq!(values.len(), EVERY_TYPE.len(), "{said}");
        for ((column, kind, _), value) in EVERY_TYPE.iter().zip(values) {
            let literal = if value == "NULL" { value.to_owned() } else { format!("$v${value}$v$") };
            let back = STAGE.application.direct.psql_strict(&format!("SELECT {literal}::{kind}"))?;
            assert_eq!(back.code, 0, "{column} under {treatment}: {}", back.said());
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
