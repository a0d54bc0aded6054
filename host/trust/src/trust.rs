//! The judgement: signatures first, before anybody parses the component; what it is afterwards.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use grille_core::Digest;
use sha2::Sha256;

use crate::comment::TrustedComment;
use crate::form::Form;
use crate::minisign::{KeyId, MinisignError, SignatureFile};
use crate::rule::{Facts, Key, Miss, Rule};
use crate::sigstore::{self, Identity};
use crate::untrusted::{Nearest, SignatureError, Untrusted, Unvouched};

/// The operator's rules.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    rules: Arc<[Rule]>,
}

/// What lies beside a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// The content of `NAME.wasm.minisig`, if it is there.
    pub minisign: Option<Vec<u8>>,
    /// The content of `NAME.wasm.sigstore.json`, if it is there.
    pub sigstore: Option<Vec<u8>>,
}

/// Whether the operator takes a plugin that nobody vouches for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsigned {
    /// No.
    #[default]
    Refuse,
    /// Yes, and said so.
    Accept,
}

/// A component that wants to be trusted.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What lies beside it.
    pub signatures: &'a Signatures,
    /// The digest that the operator pinned.
    pub pinned: Option<Digest>,
    /// Whether it may do without a signature.
    pub unsigned: Unsigned,
}

/// A component whose signatures hold as far as they can be checked, and for which somebody may vouch. What it is has still to
/// be shown to [`Signed::admits`].
#[derive(Clone, Debug)]
pub struct Signed {
    rules: Arc<[Rule]>,
    digest: Digest,
    proofs: Vec<Proof>,
    pinned: Option<Digest>,
    unsigned: Unsigned,
}

/// A signature that lies beside the component and is not wrong.
#[derive(Clone, Debug)]
struct Proof {
    form: Form,
    by: SignedBy,
    /// The rules for whose key it holds, by their place.
    rules: BTreeSet<usize>,
    comment: Option<TrustedComment>,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// A minisign key.
    Minisign(KeyId),
    /// Somebody whom a sigstore authority knows.
    Sigstore(Identity),
    /// Somebody whose authority no rule names, so that nothing about the signature could be checked.
    Unknown,
}

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minisign(key) => write!(f, "the minisign key {key}"),
            Self::Sigstore(identity) => identity.fmt(f),
            Self::Unknown => f.write_str("somebody whose authority no [[trust]] names"),
        }
    }
}

/// Why a plugin is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A rule covers it.
    Rule {
        /// The rule's name.
        rule: String,
        /// Who signed.
        by: SignedBy,
    },
    /// The operator pinned its digest.
    Digest,
    /// The operator takes it unsigned.
    Unsigned,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { rule, by } => write!(f, "signed by {by}, trusted by `{rule}`"),
            Self::Digest => f.write_str("pinned by its digest"),
            Self::Unsigned => f.write_str("unsigned, as the configuration allows"),
        }
    }
}

impl Trust {
    /// Rules in the configuration's order; the first that covers a plugin is the one that is told.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules: rules.into() }
    }

    /// Checks digest and signatures. Nothing of the component is parsed.
    ///
    /// # Errors
    /// When the bytes are not those that are pinned; when a signature is malformed, for other bytes, or does not hold,
    /// whatever else speaks for the component; and when neither a rule's key, nor a pinned digest, nor the operator's word for
    /// unsigned plugins speaks for it.
    pub fn check(&self, claim: Claim<'_>) -> Result<Signed, Untrusted> {
        let digest = digest_of(claim.bytes);
        if let Some(pinned) = claim.pinned
            && pinned != digest
        {
            return Err(Untrusted::OtherDigest { found: digest, pinned });
        }
        let mut proofs = Vec::new();
        for form in Form::ALL {
            let proof = match form {
                Form::Minisign => {
                    let read = |text: &Vec<u8>| self.minisign(text, claim.bytes, digest);
                    claim.signatures.minisign.as_ref().map(read)
                }
                Form::Sigstore => {
                    let read = |text: &Vec<u8>| self.sigstore(text, claim.bytes);
                    claim.signatures.sigstore.as_ref().map(read)
                }
            };
            proofs.extend(proof.transpose().map_err(|why| Untrusted::Signature { form, why })?);
        }
        let (pinned, unsigned) = (claim.pinned, claim.unsigned);
        Signed { rules: self.rules.clone(), digest, proofs, pinned, unsigned }.or_refuse_at_once()
    }

    fn minisign(&self, text: &[u8], component: &[u8], digest: Digest) -> Result<Proof, SignatureError> {
        let file = SignatureFile::parse(text)?;
        let signed = file.comment().digest();
        if signed != digest {
            return Err(SignatureError::OtherBytes { signed, found: digest });
        }
        let named = self.rules.iter().enumerate().filter_map(|(at, rule)| match &rule.key {
            Key::Minisign(key) if key.id() == file.key_id() => Some((at, key)),
            Key::Minisign(_) | Key::Sigstore(_) => None,
        });
        let named: Vec<_> = named.collect();
        let holds = named.iter().filter(|(_, key)| file.verify(key, component).is_ok());
        let rules: BTreeSet<usize> = holds.map(|(at, _)| *at).collect();
        if rules.is_empty() && !named.is_empty() {
            return Err(MinisignError::Wrong(file.key_id()).into());
        }
        let (by, comment) = (SignedBy::Minisign(file.key_id()), Some(file.comment().clone()));
        Ok(Proof { form: Form::Minisign, by, rules, comment })
    }

    fn sigstore(&self, text: &[u8], component: &[u8]) -> Result<Proof, SignatureError> {
        let bundle = sigstore::Bundle::parse(text)?;
        let (mut rules, mut by, mut refused) = (BTreeSet::new(), SignedBy::Unknown, None);
        for (at, rule) in self.rules.iter().enumerate() {
            let Key::Sigstore(signatory) = &rule.key else { continue };
            match bundle.verify(&signatory.root, component) {
                Ok(identity) => {
                    if identity == signatory.identity {
                        rules.insert(at);
                    }
                    by = SignedBy::Sigstore(identity);
                }
                Err(error) => refused = Some(error),
            }
        }
        match (refused, &by) {
            (Some(error), SignedBy::Unknown) => Err(error.into()),
            (_, _) => Ok(Proof { form: Form::Sigstore, by, rules, comment: None }),
        }
    }
}

/// What a component is called by those who vouch for it.
pub fn digest_of(component: &[u8]) -> Digest {
    Digest::from_bytes(<Sha256 as sha2::Digest>::digest(component).into())
}

impl Signed {
    /// The component's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Who signed it, as far as that is known.
    pub fn signed_by(&self) -> impl Iterator<Item = &SignedBy> {
        self.proofs.iter().map(|proof| &proof.by)
    }

    /// Whether this plugin is trusted, and why.
    ///
    /// # Errors
    /// When a signature is for another plugin or version, or when none of the three ways to be trusted holds.
    pub fn admits(&self, facts: &Facts<'_>) -> Result<Signer, Untrusted> {
        self.comments_fit(facts)?;
        let mut nearest = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            match self.proof_for(at, rule) {
                Ok(proof) => match rule.miss(facts) {
                    None => return Ok(Signer::Rule { rule: rule.name.clone(), by: proof.by.clone() }),
                    Some(miss) => nearest.push(Nearest { rule: rule.name.clone(), miss }),
                },
                Err(miss) => nearest.push(Nearest { rule: rule.name.clone(), miss }),
            }
        }
        match (self.pinned, self.unsigned) {
            (Some(_), Unsigned::Accept | Unsigned::Refuse) => Ok(Signer::Digest),
            (None, Unsigned::Accept) => Ok(Signer::Unsigned),
            (None, Unsigned::Refuse) => Err(self.unvouched(nearest)),
        }
    }

    /// Refuses what could not be trusted whatever it turns out to be, so that it is not even parsed.
    fn or_refuse_at_once(self) -> Result<Self, Untrusted> {
        let vouched = self.proofs.iter().any(|proof| !proof.rules.is_empty());
        if vouched || self.pinned.is_some() || self.unsigned == Unsigned::Accept {
            return Ok(self);
        }
        let misses = self.rules.iter().enumerate().filter_map(|(at, rule)| {
            Some(Nearest { rule: rule.name.clone(), miss: self.proof_for(at, rule).err()? })
        });
        Err(self.unvouched(misses.collect()))
    }

    fn comments_fit(&self, facts: &Facts<'_>) -> Result<(), Untrusted> {
        for proof in &self.proofs {
            if let Some(signed) = &proof.comment
                && (signed.id() != facts.id || signed.version() != facts.version)
            {
                let (id, version) = (facts.id.to_owned(), facts.version.to_owned());
                let why = SignatureError::OtherPlugin { signed: Box::new(signed.clone()), id, version };
                return Err(Untrusted::Signature { form: proof.form, why });
            }
        }
        Ok(())
    }

    /// The signature that holds for a rule's key.
    fn proof_for(&self, at: usize, rule: &Rule) -> Result<&Proof, Miss> {
        let (form, wanted) = (rule.key.form(), rule.key.to_string());
        match self.proofs.iter().find(|proof| proof.form == form) {
            Some(proof) if proof.rules.contains(&at) => Ok(proof),
            Some(proof) => Err(Miss::OtherSigner { signed: proof.by.to_string(), wanted }),
            None => Err(Miss::NoSignature { form, wanted }),
        }
    }

    /// Of equally near rules the first is told.
    fn unvouched(&self, mut misses: Vec<Nearest>) -> Untrusted {
        misses.sort_by_key(|near| std::cmp::Reverse(near.miss.nearness()));
        Unvouched { digest: self.digest, nearest: misses.into_iter().next() }.into()
    }
}

#[cfg(test)]
mod tests;
