//! The servers and databases that twins need.

use std::thread;

use anyhow::Context;
use grille_harness::{
    Endpoint, Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresOptions, PostgresServer,
    Signature, random,
};
use serde_json::json;

use super::normal::normal;
use super::play::{Transcript, play};
use crate::generate::{Script, World};
use crate::{Message, Raw};

/// The role that owns the databases: Grille's, and the direct client's.
const OWNER: &str = "twin_owner";

/// The role that puts rows back.
const KEEPER: &str = "twin_keeper";

/// The client whose tokens carry whatever groups are asked for.
const CLIENT: &str = "anybody";

/// The databases of a pair, after its name: the twins, and the one that is asked directly.
const COPIES: [&str; 3] = ["left", "right", "direct"];

/// What twins are made of.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Defines everything but rows. The same for both.
    pub definition: String,
    /// Empties the tables and fills them again, for each twin.
    pub rows: [String; 2],
    /// Columns that the role protects, as `schema.table.column`.
    pub rules: Vec<String>,
}

impl From<&World> for Pair {
    fn from(world: &World) -> Self {
        Self { definition: world.definition.clone(), rows: world.rows.clone(), rules: world.rules.clone() }
    }
}

/// How the twins are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// By Grille, which masks their protected columns.
    Grille,
    /// Directly, to see that they can be told apart.
    Nothing,
}

/// What the three databases answered.
#[derive(Clone, Debug)]
pub struct Answers {
    /// One twin.
    pub left: Transcript,
    /// The other.
    pub right: Transcript,
    /// What the server itself answers with the first twin's values.
    pub direct: Transcript,
}

/// The running twins.
pub struct Twins {
    server: PostgresServer,
    password: String,
    gateway: Option<Gateway>,
    pairs: Vec<Prepared>,
    newest_oid: u32,
}

struct Gateway {
    grille: Grille,
    tokens: Vec<String>,
    // Grille asks it for keys.
    _provider: IdentityProvider,
}

struct Prepared {
    rows: [String; 3],
    /// Connections that put the rows back, past Grille.
    keepers: [Raw; 3],
}

impl Twins {
    /// Makes the pairs' databases, and starts what is needed to ask them.
    ///
    /// # Errors
    /// When something does not start, or a definition is wrong.
    pub fn start(through: Through, pairs: &[Pair]) -> anyhow::Result<Self> {
        let server = PostgresServer::start(&options(through, pairs.len()))?;
        let password = random::hex::<16>()?;
        let roles = format!(
            "CREATE ROLE {OWNER} LOGIN PASSWORD '{password}';
             CREATE ROLE {KEEPER} SUPERUSER LOGIN PASSWORD '{password}'"
        );
        server.sql_admin("postgres", &roles)?;
        let mut newest_oid = 0;
        for (index, pair) in pairs.iter().enumerate() {
            newest_oid = newest_oid.max(create(&server, index, pair, &password)?);
        }
        let gateway = match through {
            Through::Grille => Some(Gateway::start(&server, &password, pairs)?),
            Through::Nothing => None,
        };
        let mut twins = Self { server, password, gateway, pairs: Vec::new(), newest_oid };
        for (index, pair) in pairs.iter().enumerate() {
            let [left, right] = pair.rows.clone();
            let rows = [left.clone(), right, left];
            let [left, right, direct] = COPIES.map(|copy| twins.past_grille(KEEPER, index, copy));
            twins.pairs.push(Prepared { rows, keepers: [left?.0, right?.0, direct?.0] });
            twins.reset(index)?;
        }
        Ok(twins)
    }

    /// Plays a script on the twins of a pair and on the database beside them, all in the state they were made in.
    ///
    /// # Errors
    /// When a connection cannot be made or the rows cannot be put back.
    pub fn play(&mut self, pair: usize, script: &Script) -> anyhow::Result<Answers> {
        let sessions = [
            self.session(pair, "left")?,
            self.session(pair, "right")?,
            self.past_grille(OWNER, pair, "direct")?,
        ];
        let newest_oid = self.newest_oid;
        let [left, right, direct] = thread::scope(|scope| {
            let players = sessions.map(|(raw, login)| scope.spawn(move || play(raw, login, script)));
            players.map(|player| player.join().expect("a player does not panic"))
        })
        .map(|transcript| normal_transcript(transcript, newest_oid));
        if !script.only_reads() {
            self.reset(pair)?;
        }
        Ok(Answers { left, right, direct })
    }

    /// Puts the rows back: rolled back or not, what was written decides where the next row is put.
    fn reset(&mut self, pair: usize) -> anyhow::Result<()> {
        let Prepared { rows, keepers } = &mut self.pairs[pair];
        for (keeper, rows) in keepers.iter_mut().zip(rows) {
            let answer = keeper.query(&format!("BEGIN;\n{rows}COMMIT;"))?;
            let failed = answer.iter().find(|message| message.tag == 'E');
            anyhow::ensure!(failed.is_none(), "{}", failed.map(Message::text).unwrap_or_default());
        }
        Ok(())
    }

    /// A session as the clients under test have it.
    fn session(&self, pair: usize, copy: &str) -> anyhow::Result<(Raw, Vec<Message>)> {
        let Some(gateway) = &self.gateway else { return self.past_grille(OWNER, pair, copy) };
        let mut raw = Raw::connect(gateway.grille.plaintext_port())?;
        let login =
            raw.log_in(&name(pair, copy), &gateway.tokens[pair]).context("Grille refuses the login")?;
        Ok((raw, login))
    }

    /// A session with the server itself.
    fn past_grille(&self, user: &str, pair: usize, copy: &str) -> anyhow::Result<(Raw, Vec<Message>)> {
        let mut raw = Raw::connect(self.server.port())?;
        let login = raw.log_in_as(user, &name(pair, copy), &self.password)?;
        Ok((raw, login))
    }
}

/// A password in the clear is all that the byte-by-byte client can give, and not what Grille gives. Nothing runs on its own.
fn options(through: Through, pairs: usize) -> PostgresOptions {
    let databases = match through {
        Through::Grille => (0..pairs).map(|pair| name(pair, "direct")).collect::<Vec<_>>().join(","),
        Through::Nothing => "all".to_owned(),
    };
    let hba = [("all", KEEPER), (databases.as_str(), OWNER)];
    PostgresOptions {
        settings: vec![("autovacuum".to_owned(), "off".to_owned()), ("jit".to_owned(), "off".to_owned())],
        hba: hba.map(|(databases, user)| format!("host {databases} {user} 127.0.0.1/32 password")).into(),
        ..PostgresOptions::default()
    }
}

fn name(pair: usize, copy: &str) -> String {
    format!("pair_{pair}_{copy}")
}

/// Makes the databases of a pair as copies of one, so that OIDs are the same; the newest of those.
fn create(server: &PostgresServer, index: usize, pair: &Pair, password: &str) -> anyhow::Result<u32> {
    let base = name(index, "base");
    server.sql_admin("postgres", &format!("CREATE DATABASE {base} OWNER {OWNER}"))?;
    let owner = server.endpoint(&base, OWNER, password);
    owner
        .psql_strict(&pair.definition)?
        .ok()
        .with_context(|| format!("wrong definition:\n{}", pair.definition))?;
    let newest =
        "SELECT greatest((SELECT max(oid::int8) FROM pg_class), (SELECT max(oid::int8) FROM pg_type))";
    let newest = owner.psql_strict(newest)?.ok()?.trim().parse()?;
    let copies =
        COPIES.map(|copy| format!("CREATE DATABASE {} TEMPLATE {base} OWNER {OWNER};\n", name(index, copy)));
    server.sql_admin("postgres", &copies.concat())?;
    Ok(newest)
}

fn normal_transcript(transcript: Transcript, newest_oid: u32) -> Transcript {
    let all =
        |messages: Vec<Message>| messages.into_iter().map(|message| normal(message, newest_oid)).collect();
    Transcript { login: all(transcript.login), steps: transcript.steps.into_iter().map(all).collect() }
}

impl Gateway {
    fn start(server: &PostgresServer, password: &str, pairs: &[Pair]) -> anyhow::Result<Self> {
        let provider = IdentityProvider::start(vec![IdentityClient::new(CLIENT, &[])])?;
        let names: Vec<String> =
            (0..pairs.len()).flat_map(|pair| ["left", "right"].map(|copy| name(pair, copy))).collect();
        let upstreams: Vec<(&str, Endpoint)> =
            names.iter().map(|name| (name.as_str(), server.endpoint(name, OWNER, password))).collect();
        let roles: String = pairs.iter().enumerate().map(|(index, pair)| role(index, pair)).collect();
        let options =
            GrilleOptions { provider: &provider, issuer: "", upstreams: &upstreams, policy: &roles };
        let grille = Grille::start(&options)?;
        let tokens = (0..pairs.len()).map(|pair| token(&provider, pair)).collect::<anyhow::Result<_>>()?;
        Ok(Self { grille, tokens, _provider: provider })
    }
}

fn token(provider: &IdentityProvider, pair: usize) -> anyhow::Result<String> {
    let claims = provider.claims(CLIENT, &json!({ "groups": [format!("pair-{pair}")] }))?;
    provider.mint(&claims, &json!({}), Signature::Rs256)
}

/// May do everything, as far as statements go, and see none of the protected columns.
fn role(index: usize, pair: &Pair) -> String {
    let columns: Vec<String> = pair.rules.iter().map(|column| format!("{column:?} = \"redact\"")).collect();
    format!(
        "[[role]]\nname = \"pair-{index}\"\ngroups = [\"pair-{index}\"]\n\
         upstreams = [{:?}, {:?}]\n\
         statements = [\"read\", \"write\", \"define\", \"grant\", \"transaction\", \"session\", \"maintain\", \
         \"execute\", \"copy\", \"notify\", \"lock\"]\n\
         policies = []\ndetectors = []\ncolumns = {{ {} }}\n\n",
        name(index, "left"),
        name(index, "right"),
        columns.join(", ")
    )
}
