//! After a session with everything in it that could go wrong: no value, literal, token, password or key in anything that
//! Grille has written.

use std::sync::LazyLock;

use grille_e2e::Stage;
use grille_harness::{Endpoint, sample, wait};

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// In literals, comments, names and parameters of the statements below.
const LITERAL: &str = "Literal4711Canary";

fn script() -> String {
    format!(
        "SELECT * FROM customers;\n\
         SELECT '{LITERAL}', email FROM customers WHERE name = '{LITERAL}';\n\
         SELECT 1 /* {LITERAL} */;\n\
         SELECT email::integer FROM customers;\n\
         SELECT '{LITERAL}'::integer;\n\
         INSERT INTO orders VALUES (1, 1, '{LITERAL}', 1, 1, now());\n\
         SELEKT '{LITERAL}';\n\
         DELETE FROM orders;\n\
         PREPARE p AS SELECT '{LITERAL}', $1::text;\n\
         EXECUTE p('{LITERAL}');\n\
         SET application_name TO '{LITERAL}';\n\
         ALTER ROLE nobody PASSWORD '{LITERAL}';\n\
         NOTIFY news, '{LITERAL}';\n"
    )
}

#[tokio::test]
async fn nothing_written_holds_a_secret() -> anyhow::Result<()> {
    let analyst = STAGE.analyst()?;
    let ran = analyst.psql(&script())?;
    assert_eq!(sample::canaries_in(&ran.said()), Vec::<String>::new());
    let client = analyst.connect().await?;
    client.query("SELECT id FROM customers WHERE email = $1", &[&LITERAL]).await?;
    drop(client);
    STAGE.grille.endpoint(sample::DATABASE, &format!("{}x", analyst.password)).psql("SELECT 1")?;

    wait::until("the records", wait::PATIENCE, || {
        let audit = STAGE.grille.audit()?;
        Ok((audit.contains("exchange-completed") && audit.contains("session-refused")).then_some(()))
    })?;
    let written = STAGE.grille.everything_written()?;
    assert!(
        written.contains("from customers") || written.contains("FROM customers"),
        "statements are recorded"
    );
    let password = &STAGE.application.direct.password;
    for (what, secret) in [
        ("a literal", LITERAL),
        ("the backend's password", password),
        ("the client's token", &analyst.password),
        ("the key of tokens", STAGE.grille.token_key()),
    ] {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{what} was written");
    }
    let leaked: Vec<&str> = written.lines().filter(|line| !sample::canaries_in(line).is_empty()).collect();
    assert_eq!(leaked, Vec::<&str>::new());
    Ok(())
}

#[test]
fn clients_learn_nothing_of_the_upstream() -> anyhow::Result<()> {
    let direct = &STAGE.application.direct;
    let wrong = Endpoint { password: "wrong".to_owned(), ..direct.clone() };
    let gone = Endpoint { port: grille_harness::loopback::free_port()?, ..direct.clone() };
    let policy = "[[role]]\nname = \"engineer\"\ngroups = [\"engineers\"]\nupstreams = [\"locked\", \"gone\"]\n\
                  statements = [\"read\"]\npolicies = []\ndetectors = []\n";
    let grille = grille_harness::Grille::start(&grille_harness::GrilleOptions {
        provider: &STAGE.provider,
        issuer: "",
        upstreams: &[("locked", wrong), ("gone", gone.clone())],
        policy,
    })?;
    let token = STAGE.provider.token("eve")?;
    for upstream in ["locked", "gone"] {
        let ran = grille.endpoint(upstream, &token).psql("SELECT 1")?;
        assert_eq!(ran.code, 2, "{}", ran.said());
        let ports = [direct.port.to_string(), gone.port.to_string()];
        let unspeakable = [sample::USER, "wrong", ports[0].as_str(), ports[1].as_str(), "SCRAM"];
        let spoken = unspeakable.iter().find(|word| ran.stderr.contains(**word));
        assert_eq!(spoken, None, "{upstream}: {}", ran.stderr);
    }
    Ok(())
}
