//! `grille plugin status`, `activate`, `shadow`, `canary`, `promote`, `drop`, `rollback`: what operators ask of the running Grille,
//! over its control socket.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use grille_admin::{ControlAnswer, ControlRequest, PluginStatus, PluginsStatus, RevisionStatus};
use serde::Serialize;

use super::Report;
use super::text::{grouped, shown};
use crate::cli::Running;
use crate::cli::plugin::{Activate, Canary, Change, How, Shadow, Status};
use crate::failure::Failure;
use crate::sessions::running_socket;

/// How many digits of a digest a line shows.
const DIGEST_CHARS_SHOWN: usize = "sha256:".len() + 12;

/// Longest reason that a line shows, in characters.
const WHY_CHARS_MAX: usize = 600;

/// `grille plugin status`.
pub(super) fn status(command: Status) -> Result<Report, Failure> {
    match ask(command.running, &ControlRequest::PluginStatus { plugin: command.plugin })? {
        ControlAnswer::Plugins(status) => Report::good(&Told(status), command.output),
        other => Err(unexpected(&other)),
    }
}

/// `grille plugin activate`.
pub(super) fn activate(command: Activate) -> Result<Report, Failure> {
    let Activate { plugin, file, how } = command;
    let file = file.as_deref().map(absolute).transpose()?;
    let accept_capabilities = how.accept_capabilities;
    change(ControlRequest::PluginActivate { plugin, file, accept_capabilities }, how)
}

/// `grille plugin shadow`.
pub(super) fn shadow(command: Shadow) -> Result<Report, Failure> {
    let Shadow { plugin, file, how } = command;
    let (file, accept_capabilities) = (absolute(&file)?, how.accept_capabilities);
    change(ControlRequest::PluginShadow { plugin, file, accept_capabilities }, how)
}

/// `grille plugin canary`.
pub(super) fn canary(command: Canary) -> Result<Report, Failure> {
    let Canary { plugin, file, percent, how } = command;
    let (file, accept_capabilities) = (absolute(&file)?, how.accept_capabilities);
    change(ControlRequest::PluginCanary { plugin, file, percent, accept_capabilities }, how)
}

/// `grille plugin promote`.
pub(super) fn promote(command: Change) -> Result<Report, Failure> {
    change_of(command, |plugin| ControlRequest::PluginPromote { plugin })
}

/// `grille plugin drop`.
pub(super) fn drop(command: Change) -> Result<Report, Failure> {
    change_of(command, |plugin| ControlRequest::PluginDrop { plugin })
}

/// `grille plugin rollback`.
pub(super) fn rollback(command: Change) -> Result<Report, Failure> {
    change_of(command, |plugin| ControlRequest::PluginRollback { plugin })
}

fn change_of(command: Change, request: impl FnOnce(String) -> ControlRequest) -> Result<Report, Failure> {
    let Change { plugin, running, output } = command;
    change(request(plugin), How { accept_capabilities: false, running, output })
}

fn change(request: ControlRequest, how: How) -> Result<Report, Failure> {
    match ask(how.running, &request)? {
        ControlAnswer::PluginChanged { message, plugin } => {
            Report::good(&Changed { message, plugin }, how.output)
        }
        other => Err(unexpected(&other)),
    }
}

/// The running Grille is somewhere else.
fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()));
    absolute.map_err(Failure::Usage)
}

fn ask(running: Running, request: &ControlRequest) -> Result<ControlAnswer, Failure> {
    let socket = running_socket(running)?;
    let answer = grille_admin::send(&socket, request).map_err(|error| Failure::Other(error.into()))?;
    match answer {
        ControlAnswer::Refused { message } => Err(Failure::Other(anyhow!("{}", clean(&message)))),
        answer => Ok(answer),
    }
}

fn unexpected(answer: &ControlAnswer) -> Failure {
    Failure::Other(anyhow!("the running Grille answered something else: {answer:?}"))
}

/// Text of others, which may not steer the terminal.
fn clean(text: &str) -> String {
    grille_core::untrusted::clean_text(text, WHY_CHARS_MAX)
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_CHARS_SHOWN).unwrap_or(digest)
}

/// How plugins stand, for people.
#[derive(Serialize)]
#[serde(transparent)]
struct Told(PluginsStatus);

/// What was done, and how the plugin stands then.
#[derive(Serialize)]
struct Changed {
    message: String,
    plugin: Box<PluginStatus>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", clean(&self.message))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PluginsStatus { generation, generations_alive, plugins } = &self.0;
        match generations_alive {
            0 | 1 => writeln!(f, "generation {generation}")?,
            alive => writeln!(f, "generation {generation}; something is under way in {} older", alive - 1)?,
        }
        plugins.iter().try_for_each(|plugin| write_plugin(f, plugin))
    }
}

fn write_plugin(f: &mut fmt::Formatter<'_>, plugin: &PluginStatus) -> fmt::Result {
    writeln!(f, "\n{}, a {}", shown(&plugin.name), shown(&plugin.world))?;
    write_revision(f, &plugin.active)?;
    write_file(f, plugin)?;
    for revision in plugin.candidate.iter().chain(&plugin.previous) {
        write_revision(f, revision)?;
    }
    for held in &plugin.held_back {
        let under = held.settings.as_deref().map(|settings| format!(" with settings {}", short(settings)));
        let (digest, why) = (short(&held.digest), clean(&held.why));
        write_line(
            f,
            "held back",
            &format!("{digest}{} since {}: {why}", under.unwrap_or_default(), held.since),
        )?;
    }
    if let Some(refused) = &plugin.refused {
        let digest = refused.digest.as_deref().map_or("a candidate", short);
        let (stage, why) = (shown(&refused.stage), clean(&refused.why));
        write_line(f, "refused", &format!("{digest} at {stage}, {}: {why}", refused.at))?;
        write_line(f, "", &format!("it was {}", clean(&refused.file)))?;
    }
    plugin.notes.iter().try_for_each(|note| write_line(f, "note", &clean(note)))
}

fn write_file(f: &mut fmt::Formatter<'_>, plugin: &PluginStatus) -> fmt::Result {
    let file = plugin.file.display();
    match &plugin.file_digest {
        Some(digest) if *digest == plugin.active.digest => Ok(()),
        Some(digest) => write_line(f, "", &format!("the file holds {}: {file}", short(digest))),
        None => write_line(f, "", &format!("the file cannot be read: {file}")),
    }
}

fn write_revision(f: &mut fmt::Formatter<'_>, revision: &RevisionStatus) -> fmt::Result {
    let RevisionStatus { id, version, digest, .. } = revision;
    let share = revision.share.map(|share| format!(", for {share} of the principals")).unwrap_or_default();
    let since = revision.since.as_deref().map(|since| format!(", since {since}")).unwrap_or_default();
    let from = revision.arrival.as_deref().map(|arrival| format!(", from {arrival}")).unwrap_or_default();
    let line = format!("{} {} {}{share}{since}{from}", shown(id), shown(version), short(digest));
    write_line(f, &revision.stage, &line)?;
    if !revision.capabilities.is_empty() {
        let line = format!("may use {}; {}", revision.capabilities.join(" and "), clean(&revision.signer));
        write_line(f, "", &line)?;
    } else {
        write_line(f, "", &clean(&revision.signer))?;
    }
    if let Some(until) = &revision.probation_until {
        write_line(f, "", &format!("on probation until {until}"))?;
    }
    if let Some(health) = &revision.health {
        let (calls, failures, slow) = (health.calls, health.failures, health.over_budget);
        let count = |number: u64| grouped(usize::try_from(number).unwrap_or(usize::MAX));
        let mut line = format!("{} calls, {} failed", count(calls), count(failures));
        if slow > 0 {
            line.push_str(&format!(", {} over the latency budget", count(slow)));
        }
        if let Some(last) = &health.last_failure {
            line.push_str(&format!("; the last failure: {}", clean(last)));
        }
        write_line(f, "", &line)?;
    }
    if let Some(differences) = &revision.differences {
        let grille_admin::DifferenceSummary { compared, different, failures } = differences;
        write_line(f, "", &format!("{compared} compared, {different} different, {failures} failed"))?;
    }
    Ok(())
}

fn write_line(f: &mut fmt::Formatter<'_>, head: &str, rest: &str) -> fmt::Result {
    writeln!(f, "  {head:<10}{rest}")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use grille_admin::{HeldBackStatus, RefusedStatus};
    use grille_core::{HealthReading, Share};

    use super::*;

    fn revision(stage: &str, version: &str, digit: char) -> RevisionStatus {
        RevisionStatus {
            stage: stage.into(),
            id: "example/guard".into(),
            version: version.into(),
            digest: format!("sha256:{}", digit.to_string().repeat(64)),
            settings: format!("sha256:{}", "0".repeat(64)),
            signer: "unsigned, as the configuration allows".into(),
            ..RevisionStatus::default()
        }
    }

    #[test]
    fn status_says_all_there_is() {
        let active = RevisionStatus {
            arrival: Some("command".into()),
            since: Some("2026-11-23T07:00:00Z".into()),
            probation_until: Some("2026-11-23T07:10:00Z".into()),
            capabilities: vec!["log".into(), "clock".into()],
            health: Some(HealthReading {
                calls: 1204,
                failures: 1,
                over_budget: 2,
                last_failure: Some("exceeded its deadline".into()),
                ..HealthReading::default()
            }),
            ..revision("active", "1.2.0", 'a')
        };
        let candidate =
            RevisionStatus { share: Share::of_percent(10), ..revision("canary", "1.3.0\u{1b}[31m", 'b') };
        let plugin = PluginStatus {
            name: "guard".into(),
            world: "policy".into(),
            file: "/etc/grille/guard.wasm".into(),
            file_digest: Some(format!("sha256:{}", "c".repeat(64))),
            active,
            previous: Some(revision("previous", "1.1.0", 'd')),
            candidate: Some(candidate),
            held_back: vec![HeldBackStatus {
                digest: format!("sha256:{}", "e".repeat(64)),
                settings: None,
                why: "3 of 10 calls failed".into(),
                since: "2026-11-23T06:00:00Z".into(),
            }],
            refused: Some(RefusedStatus {
                digest: None,
                file: "/tmp.wasm".into(),
                stage: "fetch".into(),
                why: "cannot read".into(),
                at: "2026-11-23T06:30:00Z".into(),
            }),
            settings_in_configuration: None,
            notes: vec!["the settings in force are others".into()],
        };
        let told = Told(PluginsStatus { generation: 7, generations_alive: 2, plugins: vec![plugin] });
        expect![[r#"
            generation 7; something is under way in 1 older

            guard, a policy
              active    example/guard 1.2.0 sha256:aaaaaaaaaaaa, since 2026-11-23T07:00:00Z, from command
                        may use log and clock; unsigned, as the configuration allows
                        on probation until 2026-11-23T07:10:00Z
                        1,204 calls, 1 failed, 2 over the latency budget; the last failure: exceeded its deadline
                        the file holds sha256:cccccccccccc: /etc/grille/guard.wasm
              canary    example/guard 1.3.0 [31m sha256:bbbbbbbbbbbb, for 10% of the principals
                        unsigned, as the configuration allows
              previous  example/guard 1.1.0 sha256:dddddddddddd
                        unsigned, as the configuration allows
              held back sha256:eeeeeeeeeeee since 2026-11-23T06:00:00Z: 3 of 10 calls failed
              refused   a candidate at fetch, 2026-11-23T06:30:00Z: cannot read
                        it was /tmp.wasm
              note      the settings in force are others
        "#]]
        .assert_eq(&told.to_string());
    }
}
