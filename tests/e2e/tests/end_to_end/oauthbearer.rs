//! Tokens presented by SASL OAUTHBEARER (RFC 7628): what is accepted, what a client without a good token is told, what is
//! no OAUTHBEARER at all; by a client that sends exactly these bytes, and by libpq 18.

use std::sync::LazyLock;

use anyhow::{Context, ensure};
use grille_e2e::raw::{PROTOCOL_3_0, SSL_REQUEST, error, message, startup, text};
use grille_e2e::{Message, Raw, Stage, Turns};
use grille_harness::{Distribution, Endpoint, Signature, sample, wait};
use serde_json::{Value, json};

static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// Some of these tests count the upstream's connections: one at a time.
static TURNS: Turns = Turns::new();

/// AuthenticationSASL with the mechanism's name, and the end of the list.
const ASKED: &[u8] = b"\0\0\0\x0aOAUTHBEARER\0\0";
/// AuthenticationSASLContinue, before what is said.
const TOLD: [u8; 4] = [0, 0, 0, 11];

/// SASLInitialResponse.
fn initial(mechanism: &str, response: &[u8]) -> Vec<u8> {
    let length = u32::try_from(response.len()).expect("a short response").to_be_bytes();
    message('p', &[&text(mechanism)[..], &length, response].concat())
}

fn bearer(token: &str) -> Vec<u8> {
    initial("OAUTHBEARER", format!("n,,\x01auth=Bearer {token}\x01\x01").as_bytes())
}

/// A client that has been asked for a token.
fn asked() -> anyhow::Result<Raw> {
    ask(Raw::connect(STAGE.grille.bearer_port())?)
}

fn ask(mut raw: Raw) -> anyhow::Result<Raw> {
    raw.send(&startup(PROTOCOL_3_0, &[("user", "raw"), ("database", sample::DATABASE)]))?;
    let asked = raw.message()?.context("closed")?;
    ensure!((asked.tag, &asked.body[..]) == ('R', ASKED), "{asked:?}");
    Ok(raw)
}

/// Sends an answer that will not do, reads what would do, takes note of it, and reads the rest.
fn refused(answer: &[u8]) -> anyhow::Result<(Value, Vec<Message>)> {
    let mut raw = asked()?;
    raw.send(answer)?;
    let told = raw.message()?.context("closed")?;
    ensure!(told.tag == 'R' && told.body.starts_with(&TOLD), "{told:?}");
    raw.send(&message('p', b"\x01"))?;
    Ok((serde_json::from_slice(&told.body[TOLD.len()..])?, raw.until_closed()?))
}

fn expired() -> anyhow::Result<String> {
    let past = 1_000_000_000;
    let claims = STAGE.provider.claims("ada", &json!({ "exp": past, "iat": past }))?;
    STAGE.provider.mint(&claims, &json!({}), Signature::Rs256)
}

fn advice() -> Value {
    json!({
        "status": "invalid_token",
        "openid-configuration": format!("{}/.well-known/openid-configuration", STAGE.provider.issuer()),
        "scope": "openid groups",
    })
}

#[test]
fn a_good_token_opens_a_session_that_masks() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let token = STAGE.provider.token("ada")?;
    let plain = asked()?;
    let mut tls = Raw::connect(STAGE.grille.bearer_port())?;
    tls.send(&SSL_REQUEST)?;
    ensure!(tls.byte()? == Some(b'S'));
    let encrypted = ask(tls.start_tls(STAGE.grille.ca(), b"")?)?;
    for mut raw in [plain, encrypted] {
        raw.send(&bearer(&token))?;
        let greeted = raw.until('Z')?;
        assert_eq!(greeted[0].body, 0_u32.to_be_bytes(), "no SASLFinal: {greeted:?}");
        let answer = raw.query("SELECT email FROM customers ORDER BY id LIMIT 3")?;
        let shown: String = answer.iter().map(Message::text).collect();
        assert!(shown.contains("tok_") && sample::canaries_in(&shown).is_empty(), "{shown}");
    }
    Ok(())
}

#[test]
fn a_client_without_a_token_is_told_where_to_get_one() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let before = STAGE.postgres.connections_opened()?;
    let (told, last) = refused(&initial("OAUTHBEARER", b"n,,\x01auth=\x01\x01"))?;
    assert_eq!(told, advice());
    assert_eq!(error(&last)?.field('C').as_deref(), Some("28000"));
    assert_eq!(STAGE.postgres.connections_opened()?, before);
    Ok(())
}

#[test]
fn a_refused_token_is_answered_twice_and_recorded() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let before = STAGE.postgres.connections_opened()?;
    for (token, state, says) in [
        (expired()?, "28P01", "the token has expired"),
        ("not-a-jwt".to_owned(), "28P01", "the token is malformed"),
    ] {
        let (told, last) = refused(&bearer(&token))?;
        assert_eq!(told, advice());
        let fatal = error(&last)?;
        assert_eq!((fatal.field('S').as_deref(), fatal.field('C').as_deref()), (Some("FATAL"), Some(state)));
        assert!(fatal.text().contains(says) && !fatal.text().contains(&token), "{}", fatal.text());
    }
    assert_eq!(STAGE.postgres.connections_opened()?, before, "a connection to the upstream was opened");
    wait::until("the record", wait::PATIENCE, || {
        let refused = |line: &str| line.contains("session-refused") && line.contains("expired");
        Ok(STAGE.grille.audit()?.lines().any(refused).then_some(()))
    })
}

#[test]
fn what_is_no_oauthbearer_ends_the_connection() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let good = bearer(&STAGE.provider.token("ada")?);
    let too_long = bearer(&"x".repeat(100_000));
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("another mechanism", initial("SCRAM-SHA-256", b"n,,n=,r=abc"), "08P01"),
        ("a password", message('p', &text("hunter2")), "08P01"),
        ("no initial response", message('p', b"OAUTHBEARER\0\xff\xff\xff\xff"), "08P01"),
        ("channel binding", initial("OAUTHBEARER", b"p=tls-exporter,,\x01auth=\x01\x01"), "08P01"),
        ("another identity", initial("OAUTHBEARER", b"n,a=eve,\x01auth=\x01\x01"), "08P01"),
        ("no end", initial("OAUTHBEARER", b"n,,\x01auth=Bearer abc"), "08P01"),
        ("a query", message('Q', &text("SELECT 1")), "08P01"),
        ("a length that lies", [&good[..1], &[0x7f, 0xff, 0xff, 0xff], &good[5..]].concat(), "28P01"),
        ("a token too long", too_long, "28P01"),
    ];
    let before = STAGE.postgres.connections_opened()?;
    for (what, bytes, state) in cases {
        let mut raw = asked()?;
        // What is too long is not read to its end.
        let _ = raw.send(&bytes);
        let last = raw.until_closed().with_context(|| what)?;
        let fatal = error(&last).with_context(|| what)?;
        assert_eq!(fatal.field('C').as_deref(), Some(state), "{what}: {}", fatal.text());
    }
    assert_eq!(STAGE.postgres.connections_opened()?, before);
    Ok(())
}

#[test]
fn a_refusal_must_be_taken_note_of() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for (answer, state) in
        [(&b"\x01"[..], "28000"), (b"\x00", "08P01"), (b"", "08P01"), (b"n,,\x01", "08P01")]
    {
        let mut raw = asked()?;
        raw.send(&initial("OAUTHBEARER", b"n,,\x01auth=\x01\x01"))?;
        raw.until('R')?;
        raw.send(&message('p', answer))?;
        let last = raw.until_closed()?;
        assert_eq!(error(&last)?.field('C').as_deref(), Some(state), "{answer:?}");
    }
    Ok(())
}

#[test]
fn a_message_may_come_byte_by_byte() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut raw = asked()?;
    raw.send_slowly(&bearer(&STAGE.provider.token("eve")?))?;
    raw.until('Z')?;
    Ok(())
}

/// libpq's own flow, but for the browser: a hook gives the token, as an application of its own would (manual: libpq, "OAuth
/// Support"). Constants and the structure are those of libpq-fe.h.
const LIBPQ: &str = r#"
import ctypes as c, sys
pq = c.CDLL(LIBRARY)
for name in ("PQconnectdb", "PQexec"):
    getattr(pq, name).restype = c.c_void_p
for name in ("PQerrorMessage", "PQgetvalue", "PQresultErrorMessage"):
    getattr(pq, name).restype = c.c_char_p

class Request(c.Structure):
    _fields_ = [("configuration", c.c_char_p), ("scope", c.c_char_p), ("poll", c.c_void_p),
                ("cleanup", c.c_void_p), ("token", c.c_char_p), ("user", c.c_void_p)]

BEARER_TOKEN = 1
@c.CFUNCTYPE(c.c_int, c.c_int, c.c_void_p, c.c_void_p)
def hook(kind, connection, data):
    if kind != BEARER_TOKEN:
        return 0
    request = c.cast(data, c.POINTER(Request)).contents
    print("asked", request.configuration.decode(), request.scope.decode())
    request.token = TOKEN
    return 1

print("version", pq.PQlibVersion() // 10000)
pq.PQsetAuthDataHook(hook)
connection = c.c_void_p(pq.PQconnectdb(CONNECTION))
if pq.PQstatus(connection) != 0:
    print("failed", pq.PQerrorMessage(connection).decode())
    sys.exit()
result = c.c_void_p(pq.PQexec(connection, b"SELECT email FROM customers ORDER BY id LIMIT 1"))
print("row", pq.PQgetvalue(result, 0, 0).decode())
pq.PQfinish(connection)
"#;

fn libpq(token: &str) -> anyhow::Result<String> {
    let psql = Distribution::Vectors.program("psql")?;
    let folder = psql.parent().and_then(|bin| bin.parent()).context("psql is in a folder")?;
    let connection = format!(
        "host=127.0.0.1 port={} dbname={} user=raw sslmode=disable require_auth=oauth oauth_issuer={} \
         oauth_client_id=ada",
        STAGE.grille.bearer_port(),
        sample::DATABASE,
        STAGE.provider.issuer(),
    );
    let script = format!(
        // The test's issuer is on this machine and has no TLS, which libpq takes for unsafe.
        "import os\nos.environ['PGOAUTHDEBUG'] = 'UNSAFE'\nLIBRARY = {:?}\nTOKEN = b{token:?}\nCONNECTION = b{connection:?}\n{LIBPQ}",
        folder.join("lib/libpq.so.5").display().to_string(),
    );
    let nowhere = Endpoint {
        port: STAGE.grille.bearer_port(),
        database: sample::DATABASE.to_owned(),
        user: "raw".to_owned(),
        password: String::new(),
        ca: None,
    };
    STAGE.python(&script, &nowhere)
}

#[test]
fn libpq_18_finds_the_issuer_and_connects_again_with_a_token() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let said = libpq(&STAGE.provider.token("ada")?)?;
    assert!(said.starts_with("version 18\n"), "{said}");
    let asked = format!("asked {}/.well-known/openid-configuration openid groups", STAGE.provider.issuer());
    assert!(said.contains(&asked), "{said}");
    assert!(said.contains("row tok_"), "{said}");
    Ok(())
}

#[test]
fn libpq_18_tells_why_a_token_is_refused() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let said = libpq(&expired()?)?;
    assert!(said.contains("failed") && said.contains("the token has expired"), "{said}");
    Ok(())
}
