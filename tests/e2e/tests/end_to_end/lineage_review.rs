//! What a review of lineage found, and what it tried: short sessions on twin databases that differ in protected values only.
//! Whatever the client receives must be the same for both, byte by byte.
//!
//! `GRILLE_SCRIPTS` names a file with other sessions to try: `== name` before each, a line for each step, see [`Step`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread::{self, ScopedJoinHandle};

use anyhow::Context;
use grille_e2e::raw::{bind, describe, execute, message, parse, query, sync, text};
use grille_e2e::{Message, Raw};
use grille_harness::{
    Distribution, Endpoint, Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresOptions,
    PostgresServer, Signature, random,
};
use serde_json::json;

/// The role that owns the databases, and that Grille logs in as.
const OWNER: &str = "review_owner";

/// The client, and its group.
const CLIENT: &str = "reviewer";

const TWINS: [&str; 2] = ["review_left", "review_right"];

const DEFINITION: &str = include_str!("lineage_review/world.sql");

const SESSIONS: &str = include_str!("lineage_review/sessions.txt");

/// Those that still tell the twins apart.
const OPEN: &str = include_str!("lineage_review/open.txt");

/// What differs: `911-22-3344` is somebody's number in one twin and nobody's in the other, and so on.
const ROWS: [&str; 2] = [include_str!("lineage_review/left.sql"), include_str!("lineage_review/right.sql")];

/// One line of a session.
///
/// The first letter is the connection, `a` or `b`; then `>` sends a Query, `&` the same without waiting for the answer, `.`
/// waits for it, `#` sends the statement by the extended protocol, `@name ` opens a portal of that name, `$oid value ` binds
/// one parameter of that type, `!` says goodbye, `~` sends a Query and says goodbye at once, `+` adds to a pipeline that `#` ends.
#[derive(Clone, Debug)]
struct Step {
    connection: char,
    action: char,
    rest: String,
}

#[derive(Clone, Debug)]
struct Script {
    name: String,
    steps: Vec<Step>,
}

impl Script {
    /// Whether it leaves everything as it was. Goes by the first words of its statements.
    fn only_reads(&self) -> bool {
        const READING: [&str; 4] = ["SELECT", "EXPLAIN", "SET", "WITH"];
        self.steps.iter().all(|step| READING.iter().any(|word| step.rest.starts_with(word)))
    }

    /// Roles are all the cluster's, and the names of what is prepared for a commit in two phases.
    fn meets_other_databases(&self) -> bool {
        const SHARED: [&str; 3] = ["ALTER ROLE", "ALTER USER", "PREPARE TRANSACTION"];
        self.steps.iter().any(|step| SHARED.iter().any(|words| step.rest.contains(words)))
    }
}

fn scripts(text: &str) -> anyhow::Result<Vec<Script>> {
    let mut scripts: Vec<Script> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        if let Some(name) = line.strip_prefix("== ") {
            scripts.push(Script { name: name.to_owned(), steps: Vec::new() });
            continue;
        }
        let mut letters = line.chars();
        let (connection, action) = letters.next().zip(letters.next()).with_context(|| line.to_owned())?;
        let step = Step { connection, action, rest: letters.as_str().trim_start().to_owned() };
        scripts.last_mut().context("a step before the first name")?.steps.push(step);
    }
    Ok(scripts)
}

struct Stage {
    postgres: PostgresServer,
    grille: Grille,
    token: String,
    newest_oid: u32,
    /// The twins are as they were made.
    is_new: bool,
    _provider: IdentityProvider,
}

impl Stage {
    fn start() -> anyhow::Result<Self> {
        let settings =
            [("autovacuum", "off"), ("jit", "off"), ("fsync", "off"), ("max_prepared_transactions", "5")];
        let postgres = PostgresServer::start(&PostgresOptions {
            distribution: Distribution::chosen(),
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            hba: Vec::new(),
        })?;
        let password = random::hex::<16>()?;
        postgres.sql_admin("postgres", &format!("CREATE ROLE {OWNER} LOGIN PASSWORD '{password}'"))?;
        let newest_oid = create(&postgres, &password)?;
        let provider = IdentityProvider::start(vec![IdentityClient::new(CLIENT, &[])])?;
        let upstreams: Vec<(&str, Endpoint)> =
            TWINS.iter().map(|twin| (*twin, postgres.endpoint(twin, OWNER, &password))).collect();
        let policy = policy();
        let options =
            GrilleOptions { provider: &provider, issuer: "", upstreams: &upstreams, policy: &policy };
        let grille = Grille::start(&options)?;
        let claims = provider.claims(CLIENT, &json!({ "groups": [CLIENT] }))?;
        let token = provider.mint(&claims, &json!({}), Signature::Rs256)?;
        Ok(Self { postgres, grille, token, newest_oid, is_new: false, _provider: provider })
    }

    /// Plays a script on both twins; what each answers, step by step.
    fn play(&mut self, script: &Script) -> anyhow::Result<[Vec<String>; 2]> {
        let is_new = std::mem::replace(&mut self.is_new, script.only_reads());
        let play = |twin| {
            if !is_new {
                self.make(twin)?;
            }
            self.play_on(twin, script)
        };
        let [left, right] = match script.meets_other_databases() {
            true => TWINS.map(play),
            false => thread::scope(|scope| TWINS.map(|twin| scope.spawn(move || play(twin))).map(join)),
        };
        Ok([left?, right?])
    }

    fn make(&self, twin: &str) -> anyhow::Result<()> {
        let remake = [
            format!("DROP DATABASE IF EXISTS {twin} WITH (FORCE)"),
            format!("CREATE DATABASE {twin} TEMPLATE {twin}_base OWNER {OWNER}"),
        ];
        remake.iter().try_for_each(|sql| self.postgres.sql_admin("postgres", sql).map(drop))
    }

    fn play_on(&self, twin: &str, script: &Script) -> anyhow::Result<Vec<String>> {
        let mut connections: BTreeMap<char, Raw> = BTreeMap::new();
        for name in ['a', 'b'] {
            let mut raw = Raw::connect(self.grille.plaintext_port())?;
            raw.log_in(twin, &self.token)?;
            connections.insert(name, raw);
        }
        let mut transcript = Vec::new();
        let mut pipeline = Vec::new();
        for step in &script.steps {
            let raw = connections.get_mut(&step.connection).context("no such connection")?;
            let answer = play_step(raw, step, &mut pipeline)?;
            let shown = answer.into_iter().map(|message| shown(&self.normal(message)));
            transcript.push(format!(
                "{} {}: {}",
                step.connection,
                step.rest,
                shown.collect::<Vec<_>>().join(" | ")
            ));
        }
        Ok(transcript)
    }

    /// Without what chance decides: OIDs of what the session has made itself, and the numbers of Grille's answers.
    fn normal(&self, message: Message) -> Message {
        let mut message = message.without_correlation();
        let body = &mut message.body;
        match message.tag {
            'A' => body.iter_mut().take(4).for_each(|byte| *byte = 0),
            'T' => blank_oids(body, self.newest_oid),
            _ => {}
        }
        message
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, anyhow::Result<T>>) -> anyhow::Result<T> {
    thread.join().map_err(|_| anyhow::anyhow!("a twin's thread panicked"))?
}

/// Makes what the twins are copied from, each a copy of one database, so that OIDs are the same; the newest of those.
fn create(postgres: &PostgresServer, password: &str) -> anyhow::Result<u32> {
    let define = |name: &str, template: &str, sql: &str| {
        postgres
            .sql_admin("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}"))?;
        postgres.endpoint(name, OWNER, password).psql_strict(sql)?.ok()
    };
    define("review_base", "template0", DEFINITION)?;
    let newest =
        "SELECT greatest((SELECT max(oid::int8) FROM pg_class), (SELECT max(oid::int8) FROM pg_type))";
    let newest = postgres.sql_admin("review_base", newest)?.trim().parse()?;
    for (twin, rows) in TWINS.iter().zip(ROWS) {
        define(&format!("{twin}_base"), "review_base", rows)?;
    }
    Ok(newest)
}

fn blank_oids(body: &mut [u8], newest: u32) {
    let mut at = 2;
    while let Some(end) = body.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) {
        let field = at + end + 1;
        for place in [field, field + 6] {
            let Some(oid) = body.get_mut(place..place + 4) else { return };
            if u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]) > newest {
                oid.fill(0xff);
            }
        }
        at = field + 18;
    }
}

fn policy() -> String {
    let columns =
        ["ssn", "pin", "born", "tags", "doc", "js", "bits", "raw", "amount", "account", "kind", "code"];
    let columns: Vec<String> =
        columns.map(|column| format!("\"public.people.{column}\" = \"redact\"")).into();
    format!(
        "[[role]]\nname = \"{CLIENT}\"\ngroups = [\"{CLIENT}\"]\nupstreams = {TWINS:?}\n\
         statements = [\"read\", \"write\", \"define\", \"grant\", \"transaction\", \"session\", \"copy\", \"lock\", \
         \"notify\", \"maintain\"]\npolicies = []\ndetectors = []\n\
         columns = {{ {}, \"hr.people.ssn\" = \"redact\", \"public.parted.secret\" = \"redact\" }}\n",
        columns.join(", ")
    )
}

fn play_step(raw: &mut Raw, step: &Step, pipeline: &mut Vec<u8>) -> anyhow::Result<Vec<Message>> {
    let rest = step.rest.as_str();
    let one = |sql: &str| [parse("", sql), bind("", ""), describe('P', ""), execute("", 0)].concat();
    match step.action {
        '>' => raw.send(&query(rest))?,
        '&' => {
            raw.send(&query(rest))?;
            return Ok(Vec::new());
        }
        '.' => {}
        '+' => {
            pipeline.extend(one(rest));
            return Ok(Vec::new());
        }
        '#' => {
            pipeline.extend([one(rest), sync()].concat());
            raw.send(&std::mem::take(pipeline))?;
        }
        '@' => {
            let (portal, sql) = rest.split_once(' ').context("a portal and a statement")?;
            raw.send(&[parse("", sql), bind(portal, ""), describe('P', portal), sync()].concat())?;
        }
        '$' => {
            let (oid, rest) = rest.split_once(' ').context("an OID")?;
            let (value, sql) = rest.split_once(' ').context("a value")?;
            raw.send(&with_parameter(oid.parse()?, value, sql))?;
        }
        '~' => {
            raw.send(&[query(rest), message('X', &[])].concat())?;
            return Ok(Vec::new());
        }
        '!' => {
            raw.send(&message('X', &[]))?;
            return Ok(Vec::new());
        }
        other => anyhow::bail!("no such action: {other}"),
    }
    let mut answer = Vec::new();
    while let Some(message) = raw.message()? {
        let ends = message.tag == 'Z';
        if message.tag == 'G' {
            raw.send(&self::message('c', &[]))?;
        }
        answer.push(message);
        if ends {
            break;
        }
    }
    Ok(answer)
}

/// Parse, Bind, Describe, Execute and Sync with one parameter (manual, "Parse", "Bind").
fn with_parameter(oid: u32, value: &str, sql: &str) -> Vec<u8> {
    let parse = message('P', &[text(""), text(sql), vec![0, 1], oid.to_be_bytes().to_vec()].concat());
    let length = u32::try_from(value.len()).unwrap_or(0).to_be_bytes().to_vec();
    let parameter = [length, value.as_bytes().to_vec()].concat();
    let bind = message('B', &[text(""), text(""), vec![0, 0, 0, 1], parameter, vec![0, 0]].concat());
    [parse, bind, describe('P', ""), execute("", 0), sync()].concat()
}

fn shown(message: &Message) -> String {
    let body: String = message.body.iter().map(|byte| char::from(*byte)).collect();
    format!("{}{:?}", message.tag, body.replace('\0', "·"))
}

/// Plays the scripts; the names of those that tell the twins apart, and what there is to see of them. With `everything`, what
/// all of them answered.
fn tell_apart(text: &str, everything: bool) -> anyhow::Result<(Vec<String>, String)> {
    let mut stage = Stage::start()?;
    let (mut found, mut report) = (Vec::new(), String::new());
    for script in scripts(text)? {
        let [left, right] = stage.play(&script).with_context(|| script.name.clone())?;
        let differing: Vec<_> = left.iter().zip(&right).filter(|(left, right)| left != right).collect();
        writeln!(report, "== {}: {}", script.name, if differing.is_empty() { "same" } else { "TOLD APART" })?;
        for (left, right) in &differing {
            writeln!(report, "  left:  {left}\n  right: {right}")?;
        }
        if everything && differing.is_empty() {
            left.iter().try_for_each(|line| writeln!(report, "  {line}"))?;
        }
        if !differing.is_empty() {
            found.push(script.name);
        }
    }
    Ok((found, report))
}

#[test]
fn twins_cannot_be_told_apart() -> anyhow::Result<()> {
    let file = std::env::var("GRILLE_SCRIPTS").ok();
    let text = file.as_ref().map_or(Ok(SESSIONS.to_owned()), std::fs::read_to_string)?;
    let (found, report) = tell_apart(&text, file.is_some())?;
    eprintln!("{report}");
    assert_eq!(found, Vec::<String>::new());
    Ok(())
}

#[test]
#[ignore = "known ways round; to see what is left of them"]
fn what_is_open() -> anyhow::Result<()> {
    let (found, report) = tell_apart(OPEN, false)?;
    let all: Vec<String> = scripts(OPEN)?.into_iter().map(|script| script.name).collect();
    assert_eq!(found, all, "closed, and to be moved to the others: {report}");
    Ok(())
}
