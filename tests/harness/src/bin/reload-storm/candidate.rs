//! Candidates of each kind, with the signatures that go with them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use grille_harness::{component, workspace};

use crate::dice::Dice;
use crate::kind::Kind;
use crate::stage::{Door, Key, Stage};

/// Components of each kind that are compiled: so many that there is always one which is not there already.
const POOL: usize = 4;

/// Longest random bytes.
const RANDOM_BYTES_MAX: usize = 64 << 10;

/// A component, and what lies beside it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
    pub(crate) signature: Option<Vec<u8>>,
    /// What a session hears of it, if it is ever active.
    pub(crate) stamp: String,
}

/// Everything that candidates are made of.
pub(crate) struct Library {
    good: Vec<Candidate>,
    hanging_in_configure: Vec<Candidate>,
    hanging_in_vectors: Vec<Candidate>,
    widening: Vec<Candidate>,
    wrong_world: Vec<Candidate>,
    wrong_key: Vec<Candidate>,
    /// Counts candidates that are made for one reload, so that none is like another.
    made: u64,
}

impl Library {
    pub(crate) fn make(stage: &Stage) -> anyhow::Result<Self> {
        let folder = stage.aside()?;
        let built = |name: &str| Ok::<_, anyhow::Error>(fs::read(workspace::plugin(name)?)?);
        let (stamped, capable, detector) =
            (built("stamped-policy")?, built("capable-policy")?, built("hostile-detector")?);
        let pool = |kind: Kind, key: &Key, make: &dyn Fn(usize) -> anyhow::Result<(Vec<u8>, String)>| {
            (0..POOL)
                .map(|number| {
                    let (bytes, stamp) = make(number)?;
                    let file = folder.join(format!("{kind:?}-{number}.wasm"));
                    fs::write(&file, &bytes)?;
                    key.sign(&file)?;
                    let signature = Some(fs::read(signature_path(&file))?);
                    Ok(Candidate { kind, digest: component::digest(&bytes), bytes, signature, stamp })
                })
                .collect::<anyhow::Result<Vec<_>>>()
        };
        let of_stamp = |word: &'static str| {
            let stamped = &stamped;
            move |number: usize| {
                let stamp = format!("{word} {number}");
                Ok((component::stamped(stamped, &stamp)?, stamp))
            }
        };
        let of_version = |built: Vec<u8>| {
            move |number: usize| {
                Ok((component::with_version(&built, &format!("0.2.{number}"))?, String::new()))
            }
        };
        Ok(Self {
            // The first is what every slot begins with.
            good: pool(Kind::Good, &stage.trusted, &of_stamp("honest"))?,
            hanging_in_configure: pool(
                Kind::HangsInConfigure,
                &stage.trusted,
                &of_stamp("spin-in-configure"),
            )?,
            hanging_in_vectors: pool(Kind::HangsInVectors, &stage.trusted, &of_stamp("spin-in-decide"))?,
            widening: pool(Kind::Widening, &stage.trusted, &of_version(capable))?,
            wrong_world: pool(Kind::WrongWorld, &stage.trusted, &of_version(detector))?,
            wrong_key: pool(Kind::WrongKey, &stage.strange, &of_stamp("honest strange"))?,
            made: 0,
        })
    }

    /// What every slot begins with.
    pub(crate) fn first(&self) -> &Candidate {
        &self.good[0]
    }

    /// A candidate of that kind with none of these digests.
    pub(crate) fn pick(
        &mut self,
        kind: Kind,
        door: Door,
        not: &[&str],
        dice: &mut Dice,
    ) -> anyhow::Result<Candidate> {
        let mut candidate = match kind {
            Kind::Good => among(&self.good, not, dice)?,
            Kind::WrongKey => among(&self.wrong_key, not, dice)?,
            Kind::HangsInConfigure => among(&self.hanging_in_configure, not, dice)?,
            Kind::HangsInVectors => among(&self.hanging_in_vectors, not, dice)?,
            Kind::Widening => among(&self.widening, not, dice)?,
            Kind::WrongWorld => among(&self.wrong_world, not, dice)?,
            Kind::Random | Kind::WrongMagic | Kind::Truncated | Kind::Unsigned | Kind::OtherSignature => {
                self.spoilt(kind, dice)?
            }
        };
        if let Door::Open(_) = door {
            candidate.signature = None;
        }
        Ok(candidate)
    }

    /// One that is made for this reload alone.
    fn spoilt(&mut self, kind: Kind, dice: &mut Dice) -> anyhow::Result<Candidate> {
        self.made += 1;
        let good = &self.good[dice.below(POOL)];
        let another = component::stamped(&good.bytes, &format!("honest x{}", self.made))?;
        let (bytes, signature) = match kind {
            Kind::Random => {
                let length = 1 + dice.below(RANDOM_BYTES_MAX);
                (dice.bytes(length), None)
            }
            Kind::WrongMagic => ([&[1], &another[1..]].concat(), None),
            Kind::Truncated => {
                // Within its code, which is far longer than everything behind.
                let length = 8 + dice.below(good.bytes.len() / 2);
                ([&good.bytes[..length], self.made.to_string().as_bytes()].concat(), None)
            }
            Kind::OtherSignature => (another, good.signature.clone()),
            Kind::Unsigned => (another, None),
            Kind::Good
            | Kind::WrongKey
            | Kind::HangsInConfigure
            | Kind::HangsInVectors
            | Kind::Widening
            | Kind::WrongWorld => bail!("{kind:?} is taken from a pool"),
        };
        Ok(Candidate { kind, digest: component::digest(&bytes), bytes, signature, stamp: String::new() })
    }
}

fn among(pool: &[Candidate], not: &[&str], dice: &mut Dice) -> anyhow::Result<Candidate> {
    let fit: Vec<&Candidate> = pool.iter().filter(|one| !not.contains(&one.digest.as_str())).collect();
    ensure!(!fit.is_empty(), "no candidate left");
    Ok(fit[dice.below(fit.len())].clone())
}

impl Candidate {
    /// Puts it in the place of `file`, signature first, as a careful operator does.
    pub(crate) fn put(&self, file: &Path) -> anyhow::Result<()> {
        let signature = signature_path(file);
        match &self.signature {
            Some(bytes) => replace(&signature, bytes)?,
            None if signature.exists() => fs::remove_file(&signature)?,
            None => {}
        }
        replace(file, &self.bytes)
    }
}

fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    fs::write(&next, bytes)?;
    fs::rename(next, path).with_context(|| path.display().to_string())
}

/// Where minisign looks for the signature of a file.
fn signature_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".minisig");
    path.into()
}
