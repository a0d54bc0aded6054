//! `grille attack`: makes the twins on a server of the operator's, starts the data plane in front of them with the
//! configuration changed no further than that takes, carries the campaign out and removes everything again, however it ends.

mod data_plane;
mod issuer;
mod server;

use std::path::PathBuf;

use anyhow::Context;
use grille_attack::{
    Campaign, ColumnRule, Doors, Gateway, Report, Scratch, Stance, covered_by_mistake, protected_columns,
};
use grille_core::{Effect, Privilege, Role, RowShaping, Treatment};
use grille_proxy::settings::SecretSource;
use grille_proxy::{STACK_BYTES, declare_large_stack};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Attack, Output};
use crate::config::most_similar;
use crate::failure::Failure;
use crate::load::{self, Loaded};
use data_plane::{DataPlane, Upstreams};
use server::{Direct, Server};

/// So many of a hundred attempts must leak where nothing protects; else the attempts do not try what they say.
const LEAKED_PERCENT_MIN: usize = 90;

/// What is to be done, checked as far as it can be without connecting.
struct Order {
    loaded: Loaded,
    role: Role,
    server: Server,
    stance: Stance,
    only: Option<String>,
}

/// Runs the command: what to print, and whether that is bad news.
pub(crate) fn run(command: Attack) -> Result<(String, Verdict), Failure> {
    let output = command.output;
    let order = Order::new(command)?;
    let stance = order.stance;
    for warning in order.warnings() {
        eprintln!("warning: {warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Statements are parsed on the workers.
        .thread_stack_size(STACK_BYTES)
        .on_thread_start(declare_large_stack)
        .build()
        .context("cannot start the runtime")?;
    let attack = async { tokio::spawn(order.carry_out()).await };
    let report = runtime.block_on(attack).context("the attack panicked")??;
    let text = match output {
        Output::Table => report.to_string(),
        Output::Json => format!("{:#}\n", report.to_json()),
    };
    Ok((text, Verdict::of(&report, stance)))
}

/// What a report means for the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything is as it should be.
    Good,
    /// Something leaked or was refused; or, without policy, too little leaked.
    Bad,
}

impl Verdict {
    fn of(report: &Report, stance: Stance) -> Self {
        let as_it_should_be = match stance {
            Stance::Guarded => report.leaked() == 0,
            Stance::Unguarded => report.leaked() * 100 >= report.attempts() * LEAKED_PERCENT_MIN,
        };
        match as_it_should_be && report.refused() == 0 {
            true => Self::Good,
            false => Self::Bad,
        }
    }
}

impl Order {
    fn new(command: Attack) -> Result<Self, Failure> {
        let server = Server::parse(&command.server, password(&command)).map_err(Failure::Usage)?;
        let loaded = load::all(&command.config.path)?;
        let configured = find_role(&loaded.config.roles, &command.role).map_err(Failure::Usage)?;
        let (stance, role) = match command.without_policy {
            false => (Stance::Guarded, guarded(configured)),
            true => (Stance::Unguarded, unguarded(configured)),
        };
        Ok(Self { role, loaded, server, stance, only: command.only })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.loaded.warnings().lines().map(str::to_owned).collect();
        let rules =
            self.role.columns.keys().filter(|rule| !protected_columns().any(|own| own == rule.to_string()));
        for covered in covered_by_mistake(rules) {
            warnings.push(format!(
                "a rule of the role covers {covered}: legitimate statements that read it will differ"
            ));
        }
        warnings
    }

    /// Makes everything, attacks, and removes everything, also when told to stop meanwhile.
    async fn carry_out(self) -> Result<Report, Failure> {
        let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
        let secrets = Secrets::draw(folder.path()).context("cannot make a password")?;
        let admin = self.server.administrator();
        let mut scratch = Scratch::named(&secrets.suffix);
        eprintln!("scratch role and databases are called {}", scratch.login());
        let attacked = tokio::select! {
            report = self.attack(&mut scratch, &admin, &secrets, folder.path()) => report,
            stopped = told_to_stop() => Err(stopped.err().unwrap_or_else(|| anyhow::anyhow!("interrupted"))),
        };
        let removed = scratch.remove(&admin, self.server.database()).await;
        let report = attacked?;
        removed.with_context(|| format!("what is called {} is still on the server", scratch.login()))?;
        Ok(report)
    }

    async fn attack(
        &self,
        scratch: &mut Scratch,
        admin: &Direct<'_>,
        secrets: &Secrets,
        folder: &std::path::Path,
    ) -> anyhow::Result<Report> {
        scratch.create(admin, self.server.database(), &secrets.password).await?;
        let direct = self.server.as_user(scratch.login(), Some(secrets.source.clone()));
        let upstreams = Upstreams { scratch, server: &self.server, password: &secrets.source };
        let data_plane = Box::pin(DataPlane::start(&self.loaded, &self.role, &upstreams, folder)).await?;
        let gateway = Gateway { address: data_plane.address(), token: data_plane.token(&self.role)? };
        let campaign =
            Campaign { scratch, role: &self.role, stance: self.stance, only: self.only.as_deref() };
        let report = campaign.run(&Doors { gateway: &gateway, direct: &direct }).await;
        data_plane.stop().await?;
        Ok(report?)
    }
}

fn password(command: &Attack) -> Option<SecretSource> {
    if let Some(file) = &command.password_file {
        return Some(SecretSource::File(file.clone()));
    }
    let set = std::env::var_os(&command.password_env).is_some();
    set.then(|| SecretSource::Environment(command.password_env.clone()))
}

fn find_role<'r>(roles: &'r [Role], name: &str) -> anyhow::Result<&'r Role> {
    let found = roles.iter().find(|role| role.name.as_str() == name);
    found.with_context(|| {
        let names = roles.iter().map(|role| role.name.as_str());
        match most_similar(name, names.clone()) {
            Some(meant) => format!("there is no role `{name}`: did you mean `{meant}`?"),
            None => format!("there is no role `{name}`: there are {}", names.collect::<Vec<_>>().join(", ")),
        }
    })
}

/// The role as configured, with rules for the protected columns of the twins.
fn guarded(role: &Role) -> Role {
    let rule = |column: ColumnRule| (column.parse().expect("a column of the twins"), Treatment::Redact);
    let mut role = role.clone();
    role.columns.extend(protected_columns().map(rule));
    role
}

/// The role without anything that protects, so that what comes through shows what the attempts try.
fn unguarded(role: &Role) -> Role {
    Role {
        statements: Effect::all(),
        policies: Vec::new(),
        detectors: Vec::new(),
        treatments: Default::default(),
        default_treatment: Treatment::Redact,
        columns: Default::default(),
        row_shaping: RowShaping::Allow,
        privileges: Privilege::all(),
        functions: Vec::new(),
        vectors: Default::default(),
        tokens: Default::default(),
        row_cap: None,
        ..role.clone()
    }
}

/// What is drawn for one run.
struct Secrets {
    /// Of the names on the server.
    suffix: String,
    /// The login role's.
    password: String,
    /// Where Grille reads that.
    source: SecretSource,
}

impl Secrets {
    fn draw(folder: &std::path::Path) -> anyhow::Result<Self> {
        let (suffix, password) = (random_hex::<4>()?, random_hex::<16>()?);
        let file: PathBuf = folder.join("password");
        std::fs::write(&file, &password)?;
        Ok(Self { suffix, password, source: SecretSource::File(file) })
    }
}

fn random_hex<const BYTES: usize>() -> anyhow::Result<String> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// SIGTERM or SIGINT.
async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use grille_core::RoleName;

    fn role() -> Role {
        Role {
            name: RoleName::new("analyst"),
            groups: vec!["analysts".into()],
            upstreams: Vec::new(),
            statements: Effect::READ,
            policies: Vec::new(),
            detectors: Vec::new(),
            treatments: BTreeMap::new(),
            default_treatment: Treatment::Null,
            columns: BTreeMap::new(),
            row_shaping: RowShaping::Equality,
            privileges: Privilege::empty(),
            functions: Vec::new(),
            vectors: Default::default(),
            tokens: Default::default(),
            row_cap: Some(5),
        }
    }

    #[test]
    fn the_role_is_changed_by_rules_only() {
        let guarded = guarded(&role());
        assert_eq!(guarded.columns.len(), protected_columns().count());
        assert_eq!(Role { columns: BTreeMap::new(), ..guarded }, role());
    }

    #[test]
    fn without_policy_nothing_protects() {
        let role = unguarded(&role());
        assert!(!role.masks() && role.policies.is_empty());
        assert_eq!((role.statements, role.privileges), (Effect::all(), Privilege::all()));
    }

    #[test]
    fn a_role_that_is_not_there_is_told_with_those_that_are() {
        let told = |name| find_role(&[role()], name).map(drop).expect_err("no such role").to_string();
        assert_eq!(told("analist"), "there is no role `analist`: did you mean `analyst`?");
        assert_eq!(told("x"), "there is no role `x`: there are analyst");
    }
}
