//! How files get to be replaced in the field (orchestrators, editors, copies that take their time, storms of events), and what a
//! session notices of it: the next statement is judged by what is there now, and nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::LazyLock;

use grille_e2e::raw::{bind, error, execute, parse, query, sync, tags};
use grille_e2e::revisions::{self, GROUP, Revisions, await_heard, await_refusal, heard};
use grille_e2e::{Raw, Stage};
use grille_harness::{Grille, component, wait};

/// PostgreSQL and the issuer; each test has a gateway of its own.
static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::standard("").expect("the stage is set"));

/// A gateway whose slot holds this revision, and a session that it judges.
fn begin(stamp: &str) -> anyhow::Result<(Revisions, Grille, Raw)> {
    let revisions = Revisions::begin(stamp)?;
    let grille = STAGE.another_grille(&revisions.policy("", ""), "")?;
    let mut session = STAGE.session_at(&grille, GROUP, &[])?;
    assert_eq!(heard(&mut session)?, format!("{stamp} []"));
    Ok((revisions, grille, session))
}

/// What Kubernetes does with a volume of a ConfigMap: files are links through `..data`, which is a link to a dated folder, and
/// is replaced at once.
fn mount(folder: &Path, date: &str, component: &[u8]) -> anyhow::Result<()> {
    let dated = format!("..{date}");
    fs::create_dir(folder.join(&dated))?;
    fs::write(folder.join(&dated).join("stamped.wasm"), component)?;
    let before = fs::read_link(folder.join("..data"));
    symlink(&dated, folder.join("..data_tmp"))?;
    fs::rename(folder.join("..data_tmp"), folder.join("..data"))?;
    if let Ok(before) = before {
        fs::remove_dir_all(folder.join(before))?;
    }
    Ok(())
}

#[test]
fn a_configmap_is_swapped_by_its_link() -> anyhow::Result<()> {
    let revisions = Revisions::begin("honest 1")?;
    fs::remove_file(revisions.file())?;
    mount(revisions.folder(), "2026_11_23_1", &revisions.make("honest 1")?)?;
    symlink("..data/stamped.wasm", revisions.file())?;
    let grille = STAGE.another_grille(&revisions.policy("", ""), "")?;
    let mut session = STAGE.session_at(&grille, GROUP, &[])?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    for number in 2..5 {
        let stamp = format!("honest {number}");
        mount(revisions.folder(), &format!("2026_11_23_{number}"), &revisions.make(&stamp)?)?;
        await_heard(&mut session, &format!("{stamp} []"))?;
    }
    Ok(())
}

#[test]
fn half_a_file_is_refused_and_the_rest_mends_it() -> anyhow::Result<()> {
    let (revisions, grille, mut session) = begin("honest 1")?;
    let whole = revisions.make("honest 2")?;
    let (first, rest) = whole.split_at(whole.len() / 2);
    fs::write(revisions.file(), first)?;
    await_refusal(&grille, &component::digest(first))?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    OpenOptions::new().append(true).open(revisions.file())?.write_all(rest)?;
    await_heard(&mut session, "honest 2 []")
}

#[test]
fn whichever_way_an_editor_saves_is_noticed() -> anyhow::Result<()> {
    let (revisions, _grille, mut session) = begin("honest 1")?;
    let file = revisions.file();

    revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;

    fs::rename(&file, file.with_extension("wasm~"))?;
    fs::write(&file, revisions.make("honest 3")?)?;
    await_heard(&mut session, "honest 3 []")?;

    File::create(&file)?.write_all(&revisions.make("honest 4")?)?;
    await_heard(&mut session, "honest 4 []")
}

#[test]
fn a_file_that_goes_leaves_what_is_active_and_may_come_back() -> anyhow::Result<()> {
    let (revisions, grille, mut session) = begin("honest 1")?;
    let generation = grille.metric("grille_generation")?;
    fs::remove_file(revisions.file())?;
    wait::until("the missing file to be told", revisions::PATIENCE, || {
        Ok((!revisions::status(&grille)?["refused"].is_null()).then_some(()))
    })?;
    assert_eq!(heard(&mut session)?, "honest 1 []");
    assert_eq!(grille.metric("grille_generation")?, generation);
    revisions.drop_in("honest 2")?;
    await_heard(&mut session, "honest 2 []")?;
    fs::remove_file(revisions.file())?;
    revisions.drop_in("honest 2")?;
    revisions.drop_in("honest 3")?;
    await_heard(&mut session, "honest 3 []")
}

/// Far fewer generations than events come of it: an event means "look again", not "load".
#[test]
fn five_thousand_events_are_a_few_looks() -> anyhow::Result<()> {
    const EVENTS: u32 = 5000;
    let (revisions, grille, mut session) = begin("honest 1")?;
    let [one, two] = [revisions.make("honest 1")?, revisions.make("honest 2")?];
    let before = grille.metric("grille_generation")?;
    let next = revisions.folder().join("next");
    for event in 0..EVENTS {
        fs::write(&next, if event % 2 == 0 { &two } else { &one })?;
        fs::rename(&next, revisions.file())?;
    }
    revisions.drop_in("honest 3")?;
    await_heard(&mut session, "honest 3 []")?;
    let generations = grille.metric("grille_generation")? - before;
    assert!((1.0..=f64::from(EVENTS) / 50.0).contains(&generations), "{generations} generations");
    Ok(())
}

#[test]
fn settings_and_roles_reload_as_components_do() -> anyhow::Result<()> {
    let (revisions, grille, mut session) = begin("honest 1")?;
    grille.replace_policy(&revisions.policy("first", ""))?;
    await_heard(&mut session, "honest 1 [first]")?;

    // Settings that do not fit the schema leave the slot as it is, and the role's cap is reloaded all the same.
    let capped = revisions.policy("second", "").replace("detectors = []", "detectors = []\nrow_cap = 3");
    grille.replace_policy(&capped.replace("mark =", "mask ="))?;
    wait::until("the role's cap", revisions::PATIENCE, || {
        Ok(session.query("SELECT id FROM customers")?.iter().any(|message| message.tag == 'E').then_some(()))
    })?;
    assert_eq!(heard(&mut session)?, "honest 1 [first]");
    grille.replace_policy(&capped)?;
    await_heard(&mut session, "honest 1 [second]")
}

#[test]
fn a_statement_prepared_before_a_swap_is_judged_by_the_new_revision() -> anyhow::Result<()> {
    let (revisions, _grille, mut session) = begin("honest 1")?;
    session.send(&[parse("early", "SELECT 7 AS misbehave"), sync()].concat())?;
    assert_eq!(tags(&session.until('Z')?), "1Z");
    let run = |session: &mut Raw| -> anyhow::Result<String> {
        session.send(&[bind("", "early"), execute("", 0), sync()].concat())?;
        Ok(tags(&session.until('Z')?))
    };
    assert_eq!(run(&mut session)?, "2DCZ");
    revisions.drop_in("trap 2")?;
    await_heard(&mut session, "trap 2 []")?;
    assert_eq!(run(&mut session)?, "EZ");
    revisions.drop_in("honest 3")?;
    await_heard(&mut session, "honest 3 []")?;
    assert_eq!(run(&mut session)?, "2DCZ");
    Ok(())
}

const READER: &str = r#"
[[role]]
name = "reader"
groups = ["reader"]
upstreams = ["demo"]
statements = ["read", "session"]
policies = []
detectors = []
columns = { "public.customers.email" = "redact" }
"#;

/// Far more than what sockets hold, so that it is still under way when its generation is over.
const LONG: &str = "SELECT email, repeat('x', 5000) FROM customers, generate_series(1, 30)";

#[test]
fn an_exchange_under_way_ends_in_its_generation() -> anyhow::Result<()> {
    let grille = STAGE.another_grille(READER, "")?;
    let mut session = STAGE.session_at(&grille, "reader", &[])?;
    session.send(&query(LONG))?;
    let first = session.until('D')?.pop().expect("a row");
    let before = grille.metric("grille_generation")?;
    grille.replace_policy(&READER.replace("\"redact\"", "\"null\""))?;
    wait::until("the next generation", wait::PATIENCE, || {
        Ok((grille.metric("grille_generation")? > before).then_some(()))
    })?;
    let mut rows = 1;
    for message in session.until('Z')? {
        rows += u32::from(message.tag == 'D');
        assert!(message.tag != 'D' || !is_null(&message.body) && message.body.len() == first.body.len());
    }
    assert_eq!(rows, 30 * 300);
    let next = session.query("SELECT email FROM customers")?;
    let emails: Vec<_> = next.iter().filter(|message| message.tag == 'D').collect();
    assert!(!emails.is_empty() && emails.iter().all(|row| is_null(&row.body)), "{}", tags(&next));
    Ok(())
}

/// Whether the first column of a DataRow is NULL: its length is -1 (manual: "Message Formats").
fn is_null(row: &[u8]) -> bool {
    row.get(2..6) == Some(&(-1_i32).to_be_bytes())
}

#[test]
fn what_these_tests_hear_is_the_revisions_own_word() -> anyhow::Result<()> {
    let (_revisions, _grille, mut session) = begin("honest 1")?;
    let said = session.query("SELECT 1 AS something")?;
    assert_eq!(tags(&said), "TDCZ");
    assert!(error(&said).is_err() && heard(&mut session).is_ok());
    Ok(())
}
