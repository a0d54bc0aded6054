//! Literals under `standard_conforming_strings = off`: Grille reads them as the server does. The server is asked directly and
//! through Grille, under a role whose statements are taken apart, and both must say the same.

use std::sync::LazyLock;

use anyhow::Context;
use grille_e2e::Stage;
use grille_e2e::generate::Dice;
use grille_e2e::raw::error;
use grille_harness::Endpoint;
use tokio_postgres::{Client, SimpleQueryMessage};

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard(ROLE).expect("the stage is set"));

/// Everything is traced, and nothing that is asked here is protected.
const ROLE: &str = r#"
[[role]]
name = "reader"
groups = ["reader"]
upstreams = ["demo"]
statements = ["read", "transaction", "session"]
policies = []
detectors = []
columns = { "public.customers.card" = "redact" }
"#;

/// Pieces of literals, names and comments.
const PIECES: [&str; 34] = [
    "'", "'", "'", "\\", "\\", "\\\\", "\\'", "''", "\"", "E'", "e'", "N'", "B'", "x'", "U&'", "_e'", "$$",
    "$a$", "$", "--", "\n", "\r", "/*", "*/", " ", ",", "a", "é", "0", "\\x41", "\\u0041", "||", "1",
    "::text",
];

/// How many texts are tried, and in how many pieces.
const TEXTS: u64 = 1_500;
const PIECES_MAX: usize = 12;

/// A session with the setting off, as drivers open one.
async fn escaped(endpoint: &Endpoint) -> anyhow::Result<Client> {
    let client = endpoint.connect().await?;
    client.batch_execute("SET standard_conforming_strings = off; SET escape_string_warning = off").await?;
    Ok(client)
}

/// What of an answer must be the same: values, and of an error its condition. Grille's parser is of another release than the
/// server, so that words may differ.
async fn said(client: &Client, sql: &str) -> anyhow::Result<Vec<String>> {
    let messages = match client.simple_query(sql).await {
        Ok(messages) => messages,
        Err(error) => {
            let state = error.code().map(|state| state.code().to_owned());
            return Ok(vec![state.with_context(|| format!("{error}: {sql:?}"))?]);
        }
    };
    let told = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| format!("{:?}", row.get(at))).collect()),
        SimpleQueryMessage::CommandComplete(rows) => Some(format!("{rows} rows")),
        _ => None,
    });
    Ok(told.collect())
}

/// A SELECT of a random text. It begins with a literal, which the rest may end, go on with or stand behind.
fn text(seed: u64) -> String {
    let mut dice = Dice::seeded(seed);
    let count = 1 + dice.below(PIECES_MAX);
    let pieces: String = (0..count).map(|_| *dice.pick(&PIECES)).collect();
    let end = dice.pick(&["'", "' AS x", "", " ORDER BY 1", "*/", "'\n"]);
    format!("SELECT 'a{pieces}{end}")
}

#[tokio::test]
async fn any_text_means_the_same_to_grille_and_to_the_server() -> anyhow::Result<()> {
    let direct = escaped(&STAGE.application.direct).await?;
    let grille = escaped(&STAGE.member_of("reader")?).await?;
    let mut understood = 0;
    for seed in 0..TEXTS {
        let sql = text(seed);
        let (expected, found) = (said(&direct, &sql).await?, said(&grille, &sql).await?);
        anyhow::ensure!(found == expected, "seed {seed}: {sql:?}\ndirect: {expected:?}\ngrille: {found:?}");
        understood += usize::from(expected.iter().any(|said| said.ends_with("rows")));
    }
    anyhow::ensure!(understood > 100, "only {understood} texts mean anything");
    Ok(())
}

#[test]
fn literals_have_the_values_that_escapes_give_them() -> anyhow::Result<()> {
    let settings = [("standard_conforming_strings", "off")];
    let mut grille = STAGE.session_at(&STAGE.grille, "reader", &settings)?;
    let mut check = |sql: &str, expected: &[&str]| -> anyhow::Result<()> {
        let answer = grille.query(sql)?;
        let row = answer.iter().find(|message| message.tag == 'D').with_context(|| format!("{answer:?}"))?;
        let text = row.text();
        anyhow::ensure!(expected.iter().all(|value| text.contains(value)), "{sql}: {text:?}");
        Ok(())
    };
    check(r"SELECT 'it\'s', 'a\\b'", &["it's", "a\\b"])?;
    check(r"SELECT 'a\tb', E'c\td', $$e\tf$$", &["a\tb", "c\td", "e\\tf"])?;
    check("SELECT 'a\\''\n'\\'b'", &["a''b"])?;
    check(r"SELECT name FROM customers WHERE name <> 'o\'hara' ORDER BY id LIMIT 1", &[""])
}

#[test]
fn an_error_has_its_place_in_the_text_that_was_sent() -> anyhow::Result<()> {
    let mut grille = STAGE.session_at(&STAGE.grille, "reader", &[("standard_conforming_strings", "off")])?;
    let mut check = |marked: &str, state: &str| -> anyhow::Result<()> {
        let answer = grille.query(&marked.replace('‸', ""))?;
        let place = marked.chars().position(|c| c == '‸').map(|at| (at + 1).to_string());
        let told = error(&answer)?;
        anyhow::ensure!(
            told.field('P') == place && told.field('C').as_deref() == Some(state),
            "{marked}: {told:?}"
        );
        Ok(())
    };
    check(r"SELECT ‸'\'", "42601")?;
    check(r"SELECT 'it\'s', 'é\\', x y ‸z", "42601")?;
    check(r"SELECT '\\', ‸U&'\0041'", "0A000")
}
