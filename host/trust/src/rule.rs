//! An operator's rule: whose signature counts, for which plugins, for how much and from which version on.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use semver::{Version, VersionReq};

use crate::form::Form;
use crate::minisign::PublicKey;
use crate::sigstore::Signatory;

/// Longest pattern of ids, in bytes: that of an id, and `/*`.
const PATTERN_BYTES_MAX: usize = 66;

/// Longest requirement on versions, in bytes.
const VERSIONS_BYTES_MAX: usize = 200;

/// A rule. A plugin is trusted by it if all of it holds.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in the configuration.
    pub name: String,
    /// Whose signature counts.
    pub key: Key,
    /// For which plugins. One that fits is enough; without any the rule trusts nothing.
    pub plugins: Vec<IdPattern>,
    /// What such a plugin may import at most.
    pub capabilities: BTreeSet<String>,
    /// Which versions; without it any.
    pub versions: Option<Versions>,
}

/// Whose signature counts.
#[derive(Clone, Debug)]
pub enum Key {
    /// Whoever has this key's other half.
    Minisign(PublicKey),
    /// Whoever an authority took for this person or workflow.
    Sigstore(Signatory),
}

impl Key {
    /// The form of its signatures.
    pub fn form(&self) -> Form {
        match self {
            Self::Minisign(_) => Form::Minisign,
            Self::Sigstore(_) => Form::Sigstore,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minisign(key) => write!(f, "the minisign key {}", key.id()),
            Self::Sigstore(signatory) => write!(f, "{}", signatory.identity),
        }
    }
}

/// What a component turned out to be.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Its id, from its metadata.
    pub id: &'a str,
    /// Its version, from its metadata.
    pub version: &'a str,
    /// What it imports.
    pub capabilities: BTreeSet<&'a str>,
}

/// The first thing in which a plugin falls short of a rule. Later variants are nearer misses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// There is no signature of the rule's form.
    #[error("it wants a signature by {wanted}, and no {} lies beside the file", .form.suffix())]
    NoSignature {
        /// The file that is missing.
        form: Form,
        /// Whose.
        wanted: String,
    },
    /// There is one, by somebody else.
    #[error("it wants a signature by {wanted}, and this one is by {signed}")]
    OtherSigner {
        /// Who signed.
        signed: String,
        /// Whose.
        wanted: String,
    },
    /// Another plugin.
    #[error("it is for {patterns}, and this is `{id}`")]
    Id {
        /// The plugin's id.
        id: String,
        /// The rule's.
        patterns: String,
    },
    /// A plugin that asks for more.
    #[error("it lets such a plugin have {most}, and this one imports {}", quoted(.beyond))]
    Capabilities {
        /// What the rule allows, in words.
        most: String,
        /// What the plugin imports beyond that.
        beyond: Vec<String>,
    },
    /// A version that is too old, or none.
    #[error("it is for versions {wanted}, and this is {version}")]
    Version {
        /// The plugin's version.
        version: String,
        /// The rule's.
        wanted: String,
    },
}

impl Miss {
    /// How much of a rule held: the more, the nearer.
    pub(crate) fn nearness(&self) -> u8 {
        match self {
            Self::NoSignature { .. } => 0,
            Self::OtherSigner { .. } => 1,
            Self::Id { .. } => 2,
            Self::Capabilities { .. } => 3,
            Self::Version { .. } => 4,
        }
    }
}

impl Rule {
    /// What of the rule does not hold, its key aside.
    pub(crate) fn miss(&self, facts: &Facts<'_>) -> Option<Miss> {
        self.id_miss(facts).or_else(|| self.capability_miss(facts)).or_else(|| self.version_miss(facts))
    }

    fn id_miss(&self, facts: &Facts<'_>) -> Option<Miss> {
        if self.plugins.iter().any(|pattern| pattern.covers(facts.id)) {
            return None;
        }
        Some(Miss::Id { id: facts.id.to_owned(), patterns: quoted(&self.plugins) })
    }

    fn capability_miss(&self, facts: &Facts<'_>) -> Option<Miss> {
        let is_beyond = |capability: &&&str| !self.capabilities.contains(**capability);
        let beyond: Vec<String> =
            facts.capabilities.iter().filter(is_beyond).map(|&name| name.to_owned()).collect();
        if beyond.is_empty() {
            return None;
        }
        let most =
            if self.capabilities.is_empty() { "nothing".to_owned() } else { quoted(&self.capabilities) };
        Some(Miss::Capabilities { most, beyond })
    }

    fn version_miss(&self, facts: &Facts<'_>) -> Option<Miss> {
        let wanted = self.versions.as_ref()?;
        if wanted.cover(facts.version) {
            return None;
        }
        Some(Miss::Version { version: facts.version.to_owned(), wanted: wanted.to_string() })
    }
}

fn quoted<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    items.join(", ")
}

/// Ids of plugins: `example/guard` is one, `example/*` all whose id begins with `example/`, `*` all there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPattern(String);

/// A text that is no pattern of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a plugin's id (`example/guard`), all of an owner's (`example/*`), or `*` for every plugin")]
pub struct NoPattern;

impl IdPattern {
    fn covers(&self, id: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => id.len() > beginning.len() && id.starts_with(beginning),
            None => self.0 == id,
        }
    }
}

impl FromStr for IdPattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let literal = match text.strip_suffix('*') {
            Some("") => return Ok(Self(text.to_owned())),
            Some(beginning) => beginning.strip_suffix('/').ok_or(NoPattern)?,
            None => text,
        };
        let is_literal = !literal.is_empty()
            && text.len() <= PATTERN_BYTES_MAX
            && literal.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*');
        if is_literal { Ok(Self(text.to_owned())) } else { Err(NoPattern) }
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Versions of plugins, by Semantic Versioning (<https://semver.org>) and Cargo's notation: `>=1.2.0`, `>=1.2, <2`. A
/// pre-release (`1.3.0-rc.1`) is covered only where the requirement names a pre-release of the same version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions(VersionReq);

/// A text that is no requirement on versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write the lowest version that counts: `>=1.2.0`")]
pub struct NoVersions;

impl Versions {
    /// A version that Semantic Versioning does not know is covered by nothing.
    fn cover(&self, version: &str) -> bool {
        Version::parse(version).is_ok_and(|version| self.0.matches(&version))
    }
}

impl FromStr for Versions {
    type Err = NoVersions;

    fn from_str(text: &str) -> Result<Self, NoVersions> {
        if text.trim().is_empty() || text.len() > VERSIONS_BYTES_MAX {
            return Err(NoVersions);
        }
        VersionReq::parse(text).map(Self).map_err(|_| NoVersions)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn patterns_are_owners_or_ids() {
        for wrong in ["", "/*", "**", "a*", "a*b", "*/guard", "a/*/c*", "a b/*", &"a".repeat(67), "a/\u{e9}"]
        {
            assert_eq!(wrong.parse::<IdPattern>(), Err(NoPattern), "{wrong}");
        }
        let check = |pattern: &str, id: &str, expected: bool| {
            assert_eq!(pattern.parse::<IdPattern>().unwrap().covers(id), expected, "{pattern} {id}");
        };
        check("example/*", "example/guard", true);
        check("example/*", "example/a/b", true);
        check("example/*", "example/", false);
        check("example/*", "example", false);
        check("example/*", "example2/guard", false);
        check("example/*", "Example/guard", false);
        check("example/guard", "example/guard", true);
        check("example/guard", "example/guard2", false);
        check("*", "anything", true);
    }

    #[test]
    fn versions_have_a_floor() {
        for wrong in ["", " ", "latest", ">=", "1.2.3.4", &">=1.0.0, ".repeat(20)] {
            assert_eq!(wrong.parse::<Versions>(), Err(NoVersions), "{wrong}");
        }
        let check = |wanted: &str, version: &str, expected: bool| {
            assert_eq!(wanted.parse::<Versions>().unwrap().cover(version), expected, "{wanted} {version}");
        };
        check(">=1.2.0", "1.2.0", true);
        check(">=1.2.0", "1.10.0", true);
        check(">=1.2.0", "2.0.0", true);
        check(">=1.2.0", "1.1.9", false);
        check(">=1.2.0", "1.2.0-rc.1", false);
        check(">=1.2.0", "1.3.0-rc.1", false);
        check(">=1.2.0, <2", "2.0.0", false);
        check(">=1.2.0", "1.2", false);
        check(">=1.2.0", "latest", false);
        check("*", "latest", false);
    }
}
