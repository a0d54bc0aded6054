//! What goes wrong around a session: servers that restart, connections that break in the middle of a row, clients that do not
//! read, that come and go, or that send more than anybody needs. Errors are clear, nothing hangs, and what a process uses
//! stays within limits. One at a time, because memory and descriptors are counted.

use std::env;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use grille_e2e::raw::{PROTOCOL_3_0, error, message, parse, query, startup, sync, tags, text};
use grille_e2e::usage::{descriptors, forget_peak, peak_resident_bytes, resident_bytes};
use grille_e2e::{Raw, Stage, Turns};
use grille_harness::{sample, wait};

const MIB: u64 = 1 << 20;

/// The largest message that is held whole; 64 MiB by default, less here so that what is beyond it comes soon.
const MESSAGE_BYTES_MAX: u64 = 16 * MIB;

static STAGE: LazyLock<Stage> =
    LazyLock::new(|| Stage::standard("[limits]\nmessage_bytes_max = \"16MiB\"\n").expect("the stage is set"));

/// Held by each test: the figures are the whole process's.
static TURNS: Turns = Turns::new();

fn session(stage: &Stage, token: &str) -> anyhow::Result<Raw> {
    let mut raw = Raw::connect(stage.grille.plaintext_port())?;
    raw.log_in(sample::DATABASE, token)?;
    Ok(raw)
}

fn engineer() -> anyhow::Result<Raw> {
    session(&STAGE, &STAGE.engineer()?.password)
}

fn analyst() -> anyhow::Result<Raw> {
    session(&STAGE, &STAGE.analyst()?.password)
}

/// Connections of Grille's to the sample database.
fn upstream_connections(stage: &Stage) -> anyhow::Result<u64> {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'", sample::USER);
    Ok(stage.postgres.sql_admin("postgres", &sql)?.parse()?)
}

fn until_upstream_is_left(stage: &Stage) -> anyhow::Result<()> {
    wait::until("upstream connections to end", wait::PATIENCE, || {
        Ok((upstream_connections(stage)? == 0).then_some(()))
    })
}

/// Runs `work`, and checks that meanwhile resident memory grew by less than `more` bytes.
fn within(more: u64, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let pid = STAGE.grille.pid();
    forget_peak(pid)?;
    let before = resident_bytes(pid)?;
    work()?;
    let grown = peak_resident_bytes(pid)?.saturating_sub(before);
    eprintln!("peak {} MiB over {} MiB", grown / MIB, before / MIB);
    anyhow::ensure!(grown < more, "{} MiB more than before", grown / MIB);
    Ok(())
}

#[test]
fn a_restart_of_the_upstream_ends_sessions_and_later_ones_work() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut stage = Stage::standard("")?;
    let token = stage.engineer()?.password;
    let mut idle = session(&stage, &token)?;
    let mut busy = session(&stage, &token)?;
    busy.send(&query("SELECT pg_sleep(600)"))?;
    wait::until("the statement to run", wait::PATIENCE, || {
        Ok((stage
            .postgres
            .sql_admin("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")?
            == "1")
            .then_some(()))
    })?;
    stage.postgres.restart()?;
    for raw in [&mut idle, &mut busy] {
        let last_words = raw.until_closed()?;
        let said = error(&last_words)?;
        assert_eq!(said.field('S').as_deref(), Some("FATAL"), "{said:?}");
        assert!(matches!(said.field('C').as_deref(), Some("57P01" | "08006")), "{said:?}");
    }
    assert_eq!(tags(&session(&stage, &token)?.query("SELECT 1")?), "TDCZ");
    Ok(())
}

#[test]
fn while_the_upstream_is_away_clients_are_told_so() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut stage = Stage::standard("")?;
    let token = stage.engineer()?.password;
    stage.postgres.stop()?;
    let mut raw = Raw::connect(stage.grille.plaintext_port())?;
    raw.send(&startup(PROTOCOL_3_0, &[("user", "raw"), ("database", sample::DATABASE)]))?;
    raw.until('R')?;
    raw.send(&message('p', &text(&token)))?;
    let said = raw.until_closed()?;
    assert_eq!(error(&said)?.field('C').as_deref(), Some("08001"), "{said:?}");
    Ok(())
}

#[test]
fn an_upstream_lost_in_the_middle_of_a_result_is_an_error_or_a_close_and_never_a_hang() -> anyhow::Result<()>
{
    let _turn = TURNS.take();
    for connect in [engineer, analyst] {
        let mut raw = connect()?;
        raw.send(&query("SELECT repeat('x', 5000) FROM generate_series(1, 2000000)"))?;
        assert_eq!(raw.message()?.map(|message| message.tag), Some('T'));
        assert_eq!(raw.message()?.map(|message| message.tag), Some('D'));
        let kill = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'",
            sample::USER
        );
        STAGE.postgres.sql_admin("postgres", &kill)?;
        let mut last = None;
        // What was on its way still comes; the connection may also end inside a row.
        while let Ok(Some(message)) = raw.message() {
            last = Some(message);
        }
        let last = last.expect("rows or last words");
        assert!(matches!(last.tag, 'E' | 'D'), "{}", last.tag);
    }
    until_upstream_is_left(&STAGE)
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_and_little_memory() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    for connect in [engineer, analyst] {
        let mut raw = connect()?;
        within(24 * MIB, || {
            raw.send(&query("SELECT repeat('x', 5000) FROM generate_series(1, 200000)"))?;
            let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'";
            wait::until("the server to wait for the client", wait::PATIENCE, || {
                Ok((STAGE.postgres.sql_admin("postgres", blocked)? == "1").then_some(()))
            })?;
            assert_eq!(tags(&engineer()?.query("SELECT 1")?), "TDCZ");
            Ok(())
        })?;
        drop(raw);
        until_upstream_is_left(&STAGE)?;
    }
    Ok(())
}

/// For as many seconds as `GRILLE_CHURN_SECONDS` says; 3 where it says nothing.
#[test]
fn connections_that_come_and_go_leave_nothing_behind() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let seconds: u64 = env::var("GRILLE_CHURN_SECONDS").map_or(Ok(3), |seconds| seconds.parse())?;
    let token = STAGE.engineer()?.password;
    let pid = STAGE.grille.pid();
    let churn = |count: u64, pause: Duration| {
        thread::scope(|scope| {
            let start = Instant::now();
            let workers: Vec<_> = (0..4_u32)
                .map(|worker| {
                    let token = &token;
                    scope.spawn(move || {
                        for turn in 0..count / 4 {
                            let due = pause * (4 * u32::try_from(turn)? + worker);
                            thread::sleep(due.saturating_sub(start.elapsed()));
                            let mut raw = session(&STAGE, token)?;
                            anyhow::ensure!(tags(&raw.query("SELECT 1")?) == "TDCZ");
                        }
                        Ok(())
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        })
    };
    churn(400, Duration::ZERO)?;
    until_upstream_is_left(&STAGE)?;
    let (memory, files) = (resident_bytes(pid)?, descriptors(pid)?);
    let begun = Instant::now();
    churn(200 * seconds, Duration::from_millis(5))?;
    eprintln!("{} connections in {:?}", 200 * seconds, begun.elapsed());
    until_upstream_is_left(&STAGE)?;
    wait::until("descriptors to be as many as before", wait::PATIENCE, || {
        Ok((descriptors(pid)? <= files).then_some(()))
    })?;
    let grown = resident_bytes(pid)?.saturating_sub(memory);
    eprintln!("{} KiB more than before", grown / 1024);
    anyhow::ensure!(grown < 8 * MIB, "{} KiB more than before", grown / 1024);
    Ok(())
}

/// The longest text the server makes of one value is a little under 1 GiB.
const GIBIBYTE_ROW: &str = "SELECT repeat('0123456789abcdef', 67000000)";

#[test]
fn a_row_of_a_gibibyte_streams_where_nothing_is_looked_at() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut raw = engineer()?;
    within(16 * MIB, || {
        raw.send(&query(GIBIBYTE_ROW))?;
        let (counts, bytes) = raw.skim_until('Z')?;
        assert_eq!(counts.get(&'D'), Some(&1));
        assert!(bytes > 67_000_000 * 16, "{bytes}");
        Ok(())
    })
}

#[test]
fn a_row_of_a_gibibyte_is_refused_where_it_would_have_to_be_held() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut raw = analyst()?;
    within(2 * MESSAGE_BYTES_MAX, || {
        raw.send(&query(GIBIBYTE_ROW))?;
        let said = raw.until_closed()?;
        let refused = error(&said)?;
        assert_eq!(refused.field('C').as_deref(), Some("54000"), "{refused:?}");
        Ok(())
    })?;
    until_upstream_is_left(&STAGE)
}

#[test]
fn a_hundred_thousand_prepared_statements_fit_and_one_more_is_refused() -> anyhow::Result<()> {
    const MOST: usize = 100_000;
    let _turn = TURNS.take();
    let mut raw = engineer()?;
    within(160 * MIB, || {
        let names: Vec<usize> = (0..MOST).collect();
        for batch in names.chunks(1000) {
            let messages: Vec<u8> =
                batch.iter().flat_map(|name| parse(&format!("s{name}"), "SELECT 1")).collect();
            raw.send(&[messages, sync()].concat())?;
            let (counts, _) = raw.skim_until('Z')?;
            assert_eq!(counts.get(&'1'), Some(&1000), "{counts:?}");
        }
        raw.send(&[parse("onemore", "SELECT 1"), sync()].concat())?;
        let said = raw.until_closed()?;
        assert!(error(&said)?.text().contains("prepared statements"), "{said:?}");
        Ok(())
    })?;
    until_upstream_is_left(&STAGE)
}

/// As much as `GRILLE_JUNK_MIB` says; 128 where it says nothing.
#[test]
fn junk_in_bulk_takes_little_memory() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mebibytes: usize = env::var("GRILLE_JUNK_MIB").map_or(Ok(128), |text| text.parse())?;
    let junk: [(&str, Vec<u8>); 4] = [
        ("data of no copy", message('d', &vec![b'x'; 8192])),
        ("statements that do not parse", query(&"junk ".repeat(1600))),
        ("statements", query("SELECT 1")),
        ("a pipeline without end", parse("", "SELECT 1")),
    ];
    for (name, unit) in junk {
        let mut raw = engineer()?;
        let block = unit.repeat((1 << 20) / unit.len() + 1);
        within(24 * MIB, || {
            let mut sent = 0;
            // A client that never reads is stopped by its own socket; that is an answer too.
            while sent < mebibytes << 20 {
                match raw.send_what_fits(&block, Duration::from_millis(500)) {
                    Ok(count) if count == block.len() => sent += count,
                    Ok(_) | Err(_) => break,
                }
            }
            eprintln!("{name}: {} MiB taken", sent >> 20);
            Ok(())
        })?;
        drop(raw);
        until_upstream_is_left(&STAGE)?;
    }
    Ok(())
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_held() -> anyhow::Result<()> {
    let _turn = TURNS.take();
    let mut raw = engineer()?;
    within(4 * MIB, || {
        let length = u32::try_from(2 * MESSAGE_BYTES_MAX)?;
        raw.send(&[b"Q", &length.to_be_bytes()[..], &text("SELECT 1")].concat())?;
        let said = raw.until_closed()?;
        assert_eq!(error(&said)?.field('C').as_deref(), Some("08P01"), "{said:?}");
        Ok(())
    })
}
