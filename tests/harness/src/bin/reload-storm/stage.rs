//! What is on stage: PostgreSQL, the issuer, and Grille with slots of which half ask for a signature; keys to sign with.

use std::path::{Path, PathBuf};

use anyhow::Context;
use grille_harness::scratch::Scratch;
use grille_harness::{
    Endpoint, Grille, GrilleOptions, IdentityClient, IdentityProvider, PostgresServer, Signature, grille,
    policy, sample, workspace,
};
use serde_json::json;

/// Slots of each kind of door.
const SLOTS: u8 = 3;

/// A slot, by who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Whoever is in the file.
    Open(u8),
    /// What is signed by the key that the configuration trusts.
    Signed(u8),
}

impl Door {
    fn all() -> impl Iterator<Item = Self> {
        (0..SLOTS).map(Self::Open).chain((0..SLOTS).map(Self::Signed))
    }

    /// The slot's name, and that of its role and its group.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Open(number) => format!("open-{number}"),
            Self::Signed(number) => format!("signed-{number}"),
        }
    }
}

/// A pair of files.
pub(crate) struct Key {
    secret: PathBuf,
    public: PathBuf,
}

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) grille: Grille,
    /// The key that the configuration trusts.
    pub(crate) trusted: Key,
    /// One that it does not.
    pub(crate) strange: Key,
    folder: Scratch,
    provider: IdentityProvider,
    _postgres: PostgresServer,
}

impl Stage {
    pub(crate) fn set() -> anyhow::Result<Self> {
        let folder = Scratch::new()?;
        let trusted = Key::make(&folder.path().join("trusted.key"))?;
        let strange = Key::make(&folder.path().join("strange.key"))?;
        let first = std::fs::read(workspace::plugin("stamped-policy")?)?;
        std::fs::create_dir(folder.path().join("plugins"))?;
        for door in Door::all() {
            let file = file(folder.path(), door);
            std::fs::write(&file, &first)?;
            if let Door::Signed(_) = door {
                trusted.sign(&file)?;
            }
        }
        let (postgres, application) = PostgresServer::start_with_sample()?;
        let provider = IdentityProvider::start(vec![IdentityClient::new("somebody", &[])])?;
        let policy = configuration(folder.path(), &trusted)?;
        let mut grille = Grille::start(&GrilleOptions {
            provider: &provider,
            issuer: "",
            upstreams: &[(sample::DATABASE, postgres.encrypted(&application.direct))],
            policy: &policy,
        })?;
        grille.expect_errors();
        Ok(Self { grille, trusted, strange, folder, provider, _postgres: postgres })
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = Door> {
        Door::all()
    }

    /// The file that Grille watches.
    pub(crate) fn file(&self, door: Door) -> PathBuf {
        file(self.folder.path(), door)
    }

    /// A folder that it does not watch.
    pub(crate) fn aside(&self) -> anyhow::Result<PathBuf> {
        let aside = self.folder.path().join("aside");
        std::fs::create_dir_all(&aside)?;
        Ok(aside)
    }

    /// How somebody whom the slot judges connects.
    pub(crate) fn endpoint(&self, door: Door) -> anyhow::Result<Endpoint> {
        let claims =
            self.provider.claims("somebody", &json!({ "groups": [door.name()], "exp": far_away()? }))?;
        let token = self.provider.mint(&claims, &json!({}), Signature::Rs256)?;
        let encrypted = self.grille.endpoint(sample::DATABASE, &token);
        Ok(Endpoint { port: self.grille.plaintext_port(), ca: None, ..encrypted })
    }
}

/// Later than any run: a session ends with its token.
fn far_away() -> anyhow::Result<u64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(now.as_secs() + 12 * 3600)
}

fn file(folder: &Path, door: Door) -> PathBuf {
    folder.join("plugins").join(format!("{}.wasm", door.name()))
}

/// All capabilities are granted and trusted, so that nothing but widening stands in the way of one that imports more.
fn configuration(folder: &Path, key: &Key) -> anyhow::Result<String> {
    let mut text = format!(
        "[[trust]]\nname = \"storm\"\nminisign = {:?}\nplugins = [\"test/*\"]\n\
         capabilities = [\"log\", \"clock\", \"state\", \"egress\"]\n\n",
        key.public()?
    );
    for door in Door::all() {
        let name = door.name();
        text += &format!(
            "[[role]]\nname = {name:?}\ngroups = [{name:?}]\nupstreams = [{:?}]\nstatements = [\"read\"]\n\
             policies = [{name:?}]\ndetectors = []\n\n",
            sample::DATABASE
        );
        let plugin = policy::plugin_at(&name, &file(folder, door), "");
        let plugin = match door {
            Door::Open(_) => plugin,
            Door::Signed(_) => plugin.replace("unsigned = true\n", ""),
        };
        text += &format!(
            "{}\ngrants = [\"log\", \"clock\", \"state\", \"egress\"]\negress = [\"example.com:443\"]\n\n",
            plugin.trim_end()
        );
    }
    Ok(text)
}

impl Key {
    fn make(secret: &Path) -> anyhow::Result<Self> {
        let public = secret.with_extension("pub");
        let mut keygen = grille::command()?;
        keygen.args(["plugin", "keygen", "--no-password", "--key"]).arg(secret).arg("--public").arg(&public);
        grille_harness::Ran::from(keygen.output()?).ok().context("grille plugin keygen")?;
        Ok(Self { secret: secret.to_owned(), public })
    }

    /// Puts a signature beside a component.
    pub(crate) fn sign(&self, component: &Path) -> anyhow::Result<()> {
        let mut sign = grille::command()?;
        sign.args(["plugin", "sign"]).arg(component).arg("--key").arg(&self.secret);
        grille_harness::Ran::from(sign.output()?).ok().context("grille plugin sign")?;
        Ok(())
    }

    /// The line that stands in a configuration.
    fn public(&self) -> anyhow::Result<String> {
        let file = std::fs::read_to_string(&self.public)?;
        file.lines().find(|line| line.starts_with("RW")).map(str::to_owned).context("no public key")
    }
}
