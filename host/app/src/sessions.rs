//! `grille sessions`: prints what `grille_store::sessions` reads and what the running Grille answers, and has it end
//! sessions. Names and statements come from clients, so nothing in them may steer the terminal.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use grille_admin::{ControlAnswer, ControlRequest, OpenSession};
use grille_core::audit::{ExchangeCompleted, JudgedAs, Outcome, PluginRecord};
use grille_store::sessions::{self, Exchange, Listing, Query, SessionSummary, Story};
use grille_store::{Damage, ReadError, Reader};
use serde_json::{Value as Json, json};

use crate::cli::{Output, Place, Running, Sessions, Trail};
use crate::failure::Failure;
use crate::load;

/// Runs the command and returns what to print.
pub(crate) fn run(command: Sessions) -> Result<String, Failure> {
    match command {
        Sessions::List { live: true, trail, .. } => list_live(trail),
        Sessions::List { all: true, trail, .. } => {
            let listing = sessions::list(open(trail.place)?).map_err(read_failure)?;
            print_list(&listing, trail.output)
        }
        Sessions::List { last, trail, .. } => {
            let listing = sessions::list_last(&directory(trail.place)?, last).map_err(read_failure)?;
            print_list(&listing, trail.output)
        }
        Sessions::Show { session, trail } => show(&session, trail),
        Sessions::Kill { session, reason, running } => kill(&session, reason, running),
    }
}

fn print_list(listing: &Listing, output: Output) -> Result<String, Failure> {
    tell_damage(&listing.damage);
    if listing.is_cut {
        eprintln!("older sessions are not shown: --last NUMBER shows more, --all all of them");
    }
    Ok(match output {
        Output::Table => table(listing),
        Output::Json => pretty(&json!({ "sessions": listing.sessions, "turned_away": listing.turned_away })),
    })
}

fn list_live(trail: Trail) -> Result<String, Failure> {
    let socket = match trail.place.config {
        Some(config) => control_socket(&config)?,
        None => return Err(Failure::Usage(anyhow!("--live needs --config"))),
    };
    match grille_admin::send(&socket, &ControlRequest::List).map_err(|error| Failure::Other(error.into()))? {
        ControlAnswer::Sessions { sessions } => Ok(match trail.output {
            Output::Table => live_table(&sessions),
            Output::Json => pretty(&json!({ "sessions": sessions })),
        }),
        answer => Err(refused(answer)),
    }
}

fn kill(session: &str, reason: Option<String>, running: Running) -> Result<String, Failure> {
    let socket = running_socket(running)?;
    // An error message's reference names the session, and behind a dash one exchange of it.
    let session = session.split('-').next().unwrap_or_default().to_owned();
    let request = ControlRequest::Kill { session, reason };
    match grille_admin::send(&socket, &request).map_err(|error| Failure::Other(error.into()))? {
        ControlAnswer::Killed { session } => Ok(format!("session {} ended\n", printable(&session))),
        answer => Err(refused(answer)),
    }
}

/// Where the running Grille listens for commands.
pub(crate) fn running_socket(running: Running) -> Result<PathBuf, Failure> {
    match (running.control_socket, running.config) {
        (Some(socket), _) => Ok(socket),
        (None, Some(config)) => control_socket(&config),
        (None, None) => Err(Failure::Usage(anyhow!("give --config or --control-socket"))),
    }
}

pub(crate) fn control_socket(config: &Path) -> Result<PathBuf, Failure> {
    let socket = load::config(config)?.admin.control_socket;
    socket.ok_or_else(|| Failure::Usage(anyhow!("{} names no [admin] control_socket", config.display())))
}

fn refused(answer: ControlAnswer) -> Failure {
    Failure::Other(match answer {
        ControlAnswer::Refused { message } => anyhow!("{}", printable(&message)),
        _ => anyhow!("the running Grille answered something else"),
    })
}

fn show(session: &str, trail: Trail) -> Result<String, Failure> {
    let query: Query = session.parse().map_err(read_failure)?;
    let story = sessions::show(open(trail.place)?, &query).map_err(read_failure)?;
    tell_damage(&story.damage);
    Ok(match trail.output {
        Output::Table => tell(&story),
        Output::Json => pretty(&json!(story)),
    })
}

fn open(place: Place) -> Result<Reader, Failure> {
    let directory = directory(place)?;
    Reader::open(&directory).map_err(read_failure)
}

fn directory(place: Place) -> Result<PathBuf, Failure> {
    match (place.audit_dir, place.config) {
        (Some(directory), _) => Ok(directory),
        (None, Some(config)) => Ok(load::config(&config)?.audit.directory),
        (None, None) => Err(Failure::Usage(anyhow::anyhow!("give --config or --audit-dir"))),
    }
}

fn read_failure(error: ReadError) -> Failure {
    match error {
        ReadError::NotAnId(_) => Failure::Usage(error.into()),
        ReadError::Io { .. }
        | ReadError::UnknownVersion { .. }
        | ReadError::NoSuchSession(_)
        | ReadError::Ambiguous { .. } => Failure::Other(error.into()),
    }
}

fn tell_damage(damage: &[Damage]) {
    for damage in damage {
        eprintln!("warning: {damage}");
    }
}

fn pretty(value: &Json) -> String {
    // Alternate formatting of a value that is JSON already cannot fail.
    format!("{value:#}\n")
}

const COLUMNS: [&str; 10] = [
    "SESSION",
    "OPENED",
    "PRINCIPAL",
    "KIND",
    "ROLE",
    "UPSTREAM",
    "STATEMENTS",
    "REFUSED",
    "TREATED",
    "CLOSED",
];

fn table(listing: &Listing) -> String {
    let mut text = aligned(COLUMNS, listing.sessions.iter().map(row));
    let turned_away = listing.turned_away.len();
    if turned_away > 0 {
        let _ = writeln!(text, "\nclients turned away: {turned_away} (--output json shows them)");
    }
    text
}

/// Rows under their heads, each column as wide as its widest cell.
fn aligned<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(heads.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String does not fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

const LIVE_COLUMNS: [&str; 8] =
    ["SESSION", "OPEN FOR", "PRINCIPAL", "KIND", "ROLE", "UPSTREAM", "CLIENT", "APPLICATION"];

fn live_table(sessions: &[OpenSession]) -> String {
    let row = |session: &OpenSession| {
        let opened = &session.opened;
        let cells = [
            &opened.session,
            &format!("{}s", session.age_s),
            &opened.principal,
            &opened.principal_kind,
            &opened.role,
            &opened.upstream,
            &opened.client,
            &opened.application,
        ];
        cells.map(|cell| printable(cell))
    };
    aligned(LIVE_COLUMNS, sessions.iter().map(row))
}

fn row(session: &SessionSummary) -> [String; COLUMNS.len()] {
    [
        session.session.clone(),
        seconds(&session.opened_at).to_owned(),
        session.principal.clone(),
        session.principal_kind.clone(),
        session.role.clone(),
        session.upstream.clone(),
        session.statements.to_string(),
        session.refused.to_string(),
        session.treated.to_string(),
        session.closed.clone().unwrap_or_else(|| "(open)".to_owned()),
    ]
    .map(|cell| printable(&cell))
}

/// A time without its fraction.
fn seconds(time: &str) -> &str {
    time.split('.').next().unwrap_or(time)
}

fn tell(story: &Story) -> String {
    let summary = &story.summary;
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{key:<11}{}", printable(value));
    };
    line("session", &summary.session);
    line("opened", &summary.opened_at);
    line("closed", summary.closed_at.as_deref().unwrap_or("still open, or Grille ended without saying so"));
    line("reason", summary.closed.as_deref().unwrap_or("-"));
    line("principal", &format!("{} ({})", summary.principal, summary.principal_kind));
    if let Some(opened) = &story.opened {
        line("issuer", &opened.issuer);
        line("groups", &opened.groups.join(", "));
        line("token", opened.token_id.as_deref().unwrap_or("without an id"));
    }
    line("client", &format!("{} {}", summary.client, summary.application));
    line("role", &summary.role);
    line("upstream", &summary.upstream);
    for exchange in &story.exchanges {
        tell_exchange(&mut text, exchange);
    }
    text
}

fn tell_exchange(text: &mut String, exchange: &Exchange) {
    let started = &exchange.started;
    let _ =
        writeln!(text, "\n#{} {} {}", started.exchange, seconds(&exchange.at), printable(&started.verdict));
    for statement in started.statements.iter() {
        let _ = writeln!(text, "  {}", printable(&statement.text));
        let _ = writeln!(text, "    does {}", printable(&statement.effects.join(", ")));
    }
    for reason in &started.reasons {
        let _ = writeln!(text, "  because {}", printable(reason));
    }
    for plugin in started.plugins.iter() {
        let _ = writeln!(text, "  judged by {}", printable(&describe_plugin(plugin)));
    }
    if let Some(completed) = &exchange.completed {
        tell_completion(text, completed);
    }
}

fn describe_plugin(plugin: &PluginRecord) -> String {
    let PluginRecord { plugin, world, digest, settings, stage, capabilities } = plugin;
    let canary = match stage {
        JudgedAs::Active => "",
        JudgedAs::Canary => " (canary)",
    };
    let mut text = format!("{world} {plugin}{canary}, sha256:{digest}, settings sha256:{settings}");
    if !capabilities.is_empty() {
        let _ = write!(text, ", granted {}", capabilities.join(", "));
    }
    text
}

fn tell_completion(text: &mut String, completed: &ExchangeCompleted) {
    let ExchangeCompleted { rows, bytes, latency_us, .. } = completed;
    let outcome = outcome(completed.outcome);
    let _ = write!(text, "  {outcome}");
    if let Some(state) = &completed.state {
        let _ = write!(text, " with {}", printable(state));
    }
    let _ = writeln!(text, ": {rows} rows, {bytes} bytes, {latency_us} µs");
    for (label, count) in &completed.treated {
        let _ = writeln!(text, "  treated {count} × {}", printable(label));
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Suspended => "suspended at the client's row limit",
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped after an earlier error",
        Outcome::Stopped => "stopped by Grille",
        Outcome::Lost => "lost with its connection",
    }
}

/// The text with control characters, and those that change the direction of text, written out.
fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            printed.extend(c.escape_default());
        } else {
            printed.push(c);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::expect;
    use grille_core::audit::{ExchangeStarted, StatementRecord};

    use super::*;

    fn summary() -> SessionSummary {
        SessionSummary {
            session: "0123456789abcdef0123456789abcdef".into(),
            opened_at: "2026-11-22T21:00:01.000000Z".into(),
            principal: "ada\u{1b}[2J\n".into(),
            principal_kind: "human".into(),
            role: "analyst".into(),
            upstream: "sales".into(),
            statements: 12,
            ..SessionSummary::default()
        }
    }

    #[test]
    fn a_table_for_people() {
        let listing = Listing { sessions: vec![summary()], ..Listing::default() };
        expect![[r#"
            SESSION                           OPENED               PRINCIPAL       KIND   ROLE     UPSTREAM  STATEMENTS  REFUSED  TREATED  CLOSED
            0123456789abcdef0123456789abcdef  2026-11-22T21:00:01  ada\u{1b}[2J\n  human  analyst  sales     12          0        0        (open)
        "#]].assert_eq(&table(&listing));
        expect![[r#"
            SESSION  OPENED  PRINCIPAL  KIND  ROLE  UPSTREAM  STATEMENTS  REFUSED  TREATED  CLOSED
        "#]]
        .assert_eq(&table(&Listing::default()));
    }

    #[test]
    fn a_table_of_what_is_open() {
        let opened = grille_core::audit::SessionOpened {
            session: "0123456789abcdef0123456789abcdef".into(),
            protocol: "postgres".into(),
            client: "192.0.2.7:50000".into(),
            application: "psql\u{1b}[2J".into(),
            issuer: "https://id.example.com".into(),
            principal: "ada".into(),
            principal_kind: "human".into(),
            groups: Vec::new(),
            token_id: None,
            role: "analyst".into(),
            upstream: "sales".into(),
            tls: true,
        };
        expect![[r#"
            SESSION                           OPEN FOR  PRINCIPAL  KIND   ROLE     UPSTREAM  CLIENT           APPLICATION
            0123456789abcdef0123456789abcdef  65s       ada        human  analyst  sales     192.0.2.7:50000  psql\u{1b}[2J
        "#]].assert_eq(&live_table(&[OpenSession { age_s: 65, opened }]));
    }

    #[test]
    fn a_story_for_people() {
        let statement = StatementRecord {
            kind: "select".into(),
            text: "SELECT email FROM users WHERE id = $1".into(),
            fingerprint: "1f".into(),
            effects: vec!["read".into()],
            objects: Vec::new(),
            features: Vec::new(),
        };
        let started = ExchangeStarted {
            session: summary().session,
            exchange: 1,
            generation: 1,
            verdict: "allow".into(),
            reasons: vec!["plugin guard: \u{202e}because".into()],
            statements: Arc::new(vec![statement]),
            plugins: Arc::new(vec![PluginRecord {
                plugin: "guard".into(),
                world: "policy".into(),
                digest: "ab".into(),
                settings: "cd".into(),
                stage: JudgedAs::Canary,
                capabilities: vec!["log".into(), "state".into()],
            }]),
        };
        let completed = ExchangeCompleted {
            session: summary().session,
            exchange: 1,
            outcome: Outcome::Failed,
            state: Some("22012".into()),
            rows: 3,
            bytes: 99,
            treated: [("EMAIL_ADDRESS".to_owned(), 3)].into(),
            latency_us: 1200,
        };
        let exchange = Exchange { at: "2026-11-22T21:00:02.5Z".into(), started, completed: Some(completed) };
        let story = Story { summary: summary(), opened: None, exchanges: vec![exchange], damage: Vec::new() };
        expect![[r#"
            session    0123456789abcdef0123456789abcdef
            opened     2026-11-22T21:00:01.000000Z
            closed     still open, or Grille ended without saying so
            reason     -
            principal  ada\u{1b}[2J\n (human)
            client      
            role       analyst
            upstream   sales

            #1 2026-11-22T21:00:02 allow
              SELECT email FROM users WHERE id = $1
                does read
              because plugin guard: \u{202e}because
              judged by policy guard (canary), sha256:ab, settings sha256:cd, granted log, state
              failed with 22012: 3 rows, 99 bytes, 1200 µs
              treated 3 × EMAIL_ADDRESS
        "#]]
        .assert_eq(&tell(&story));
    }
}
