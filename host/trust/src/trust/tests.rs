//! Rules and minisign signatures: what is refused first, then what is trusted.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Cursor;

use expect_test::{Expect, expect};
use minisign::KeyPair;
use proptest::prelude::*;

use super::*;
use crate::minisign::PublicKey;

const COMPONENT: &[u8] = b"\0asm, as far as this test goes";

/// Whoever signs.
struct Vendor {
    pair: KeyPair,
    public: PublicKey,
}

impl Vendor {
    fn new() -> Self {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let public = pair.pk.to_base64().parse().unwrap();
        Self { pair, public }
    }

    fn sign_as(&self, component: &[u8], comment: &str) -> Signatures {
        let signed = ::minisign::sign(None, &self.pair.sk, Cursor::new(component), Some(comment), None);
        Signatures { minisign: Some(signed.unwrap().into_string().into_bytes()), sigstore: None }
    }

    fn sign(&self, component: &[u8], id: &str, version: &str) -> Signatures {
        let comment = TrustedComment::new(id, version, digest_of(component)).unwrap();
        self.sign_as(component, &comment.to_string())
    }

    fn rule(&self, name: &str, plugin: &str, capabilities: &[&str], versions: Option<&str>) -> Rule {
        Rule {
            name: name.to_owned(),
            key: Key::Minisign(self.public.clone()),
            plugins: vec![plugin.parse().unwrap()],
            capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
            versions: versions.map(|versions| versions.parse().unwrap()),
        }
    }
}

fn claim<'a>(bytes: &'a [u8], signatures: &'a Signatures) -> Claim<'a> {
    Claim { bytes, signatures, pinned: None, unsigned: Unsigned::Refuse }
}

fn facts<'a>(id: &'a str, version: &'a str, capabilities: &[&'a str]) -> Facts<'a> {
    Facts { id, version, capabilities: capabilities.iter().copied().collect() }
}

const GUARD: (&str, &str) = ("example/guard", "1.2.0");

fn guard<'a>() -> Facts<'a> {
    facts(GUARD.0, GUARD.1, &[])
}

/// Keys are made anew in each run, so they are told by who has them.
fn told(judged: &Result<Signer, Untrusted>, vendors: &[(&Vendor, &str)]) -> String {
    let text = match judged {
        Ok(signer) => signer.to_string(),
        Err(error) => format!("{error}\n{}", error.help()),
    };
    vendors.iter().fold(text, |text, (vendor, name)| text.replace(&vendor.public.id().to_string(), name))
}

fn judged(trust: &Trust, claim: Claim<'_>, facts: &Facts<'_>) -> Result<Signer, Untrusted> {
    trust.check(claim)?.admits(facts)
}

#[test]
fn without_rules_nothing_is_trusted_but_by_the_operators_word() {
    let (vendor, none) = (Vendor::new(), Signatures::default());
    let signed = vendor.sign(COMPONENT, GUARD.0, GUARD.1);
    let check = |claim: Claim<'_>, expected: Expect| {
        expected.assert_eq(&told(&judged(&Trust::default(), claim, &guard()), &[(&vendor, "VENDOR")]));
    };
    check(
        claim(COMPONENT, &none),
        expect![[r#"
            nobody vouches for it: there is no [[trust]], its digest is not pinned, and it is not said to be unsigned
            have it signed, and add a [[trust]] for the signer; or write digest = "sha256:56b9dc23d3ff9de4fe437e0f35df19606d0079cc8f72b85b221cf27a180a1656" or unsigned = true under its [[plugin]]"#]],
    );
    check(
        claim(COMPONENT, &signed),
        expect![[r#"
        nobody vouches for it: there is no [[trust]], its digest is not pinned, and it is not said to be unsigned
        have it signed, and add a [[trust]] for the signer; or write digest = "sha256:56b9dc23d3ff9de4fe437e0f35df19606d0079cc8f72b85b221cf27a180a1656" or unsigned = true under its [[plugin]]"#]],
    );
    let pinned = Some(digest_of(COMPONENT));
    check(Claim { pinned, ..claim(COMPONENT, &none) }, expect!["pinned by its digest"]);
    check(Claim { pinned, ..claim(COMPONENT, &signed) }, expect!["pinned by its digest"]);
    let unsigned = Unsigned::Accept;
    check(Claim { unsigned, ..claim(COMPONENT, &none) }, expect!["unsigned, as the configuration allows"]);
    check(
        Claim { unsigned, pinned: Some(digest_of(b"")), ..claim(COMPONENT, &none) },
        expect![[r#"
        it has the digest sha256:56b9dc23d3ff9de4fe437e0f35df19606d0079cc8f72b85b221cf27a180a1656, not the one given, sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        if the new file is what you want, write digest = "sha256:56b9dc23d3ff9de4fe437e0f35df19606d0079cc8f72b85b221cf27a180a1656""#]],
    );
}

#[test]
fn a_wrong_signature_is_refused_whatever_else_speaks_for_the_component() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let trust = Trust::new(vec![vendor.rule("vendor", "example/*", &[], None)]);
    let check = |signatures: Signatures, expected: Expect| {
        let claim = Claim {
            pinned: Some(digest_of(COMPONENT)),
            unsigned: Unsigned::Accept,
            ..claim(COMPONENT, &signatures)
        };
        expected
            .assert_eq(&told(&judged(&trust, claim, &guard()), &[(&vendor, "VENDOR"), (&other, "OTHER")]));
    };
    // For other bytes, as after a component was exchanged.
    check(
        vendor.sign(b"something else", GUARD.0, GUARD.1),
        expect![[r#"
        its signature (.minisig) is refused: it is for sha256:f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8, and the component has sha256:56b9dc23d3ff9de4fe437e0f35df19606d0079cc8f72b85b221cf27a180a1656
        get the signature that belongs to the file, or take the .minisig away"#]],
    );
    // Its own comment is right, the signature under it is not over these bytes.
    let says = TrustedComment::new(GUARD.0, GUARD.1, digest_of(COMPONENT)).unwrap().to_string();
    check(
        vendor.sign_as(b"something else", &says),
        expect![[r#"
        its signature (.minisig) is refused: it does not fit: component, comment or signature was changed after signing with the key VENDOR
        get the signature that belongs to the file, or take the .minisig away"#]],
    );
    // For another plugin, for another version.
    check(
        vendor.sign(COMPONENT, "example/other", GUARD.1),
        expect![[r#"
        its signature (.minisig) is refused: it is for example/other 1.2.0, and the component is example/guard 1.2.0
        get the signature that belongs to the file, or take the .minisig away"#]],
    );
    check(
        vendor.sign(COMPONENT, GUARD.0, "1.1.0"),
        expect![[r#"
        its signature (.minisig) is refused: it is for example/guard 1.1.0, and the component is example/guard 1.2.0
        get the signature that belongs to the file, or take the .minisig away"#]],
    );
    check(
        vendor.sign_as(COMPONENT, "timestamp:1790000000\tfile:guard.wasm\thashed"),
        expect![[r#"
        its signature (.minisig) is refused: its trusted comment does not say which plugin it is for; it must be `grille:1 id=ID version=VERSION digest=sha256:DIGITS`, as `grille plugin sign` writes it
        get the signature that belongs to the file, or take the .minisig away"#]],
    );
    // By a key that says it is another one.
    let forged = other.sign(COMPONENT, GUARD.0, GUARD.1).minisign.unwrap();
    check(
        with_key_id(&forged, &vendor),
        expect![[r#"
        its signature (.minisig) is refused: it does not fit: component, comment or signature was changed after signing with the key VENDOR
        get the signature that belongs to the file, or take the .minisig away"#]],
    );
    // Somebody's whom nobody knows: it says nothing, for or against.
    check(other.sign(COMPONENT, GUARD.0, GUARD.1), expect!["pinned by its digest"]);
}

/// A signature that claims to be by another key.
fn with_key_id(signature: &[u8], vendor: &Vendor) -> Signatures {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let text = String::from_utf8(signature.to_vec()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut bytes = BASE64_STANDARD.decode(&lines[1]).unwrap();
    bytes[2..10].copy_from_slice(&BASE64_STANDARD.decode(vendor.pair.pk.to_base64()).unwrap()[2..10]);
    lines[1] = BASE64_STANDARD.encode(bytes);
    Signatures { minisign: Some(lines.join("\n").into_bytes()), sigstore: None }
}

#[test]
fn garbage_beside_a_component_is_bounded_and_refused() {
    let trust = Trust::default();
    let check = |minisign: Vec<u8>, expected: MinisignError| {
        let signatures = Signatures { minisign: Some(minisign), sigstore: None };
        let claim = Claim { unsigned: Unsigned::Accept, ..claim(COMPONENT, &signatures) };
        let why = SignatureError::Minisign(expected);
        assert_eq!(trust.check(claim).unwrap_err(), Untrusted::Signature { form: Form::Minisign, why });
    };
    check(vec![], MinisignError::Form("it does not have four lines"));
    check(vec![b'\n'; 4], MinisignError::Form("the first line is no untrusted comment"));
    check(vec![0xff; 200], MinisignError::Form("it is no text"));
    check(vec![b'a'; 11 << 10], MinisignError::TooLong);
    check(vec![b'\n'; 100 << 20], MinisignError::TooLong);
    let five = b"untrusted comment: \n\n\n\n\n".to_vec();
    check(five, MinisignError::Form("it does not have four lines"));
    let good = Vendor::new().sign(COMPONENT, GUARD.0, GUARD.1).minisign.unwrap();
    let good = String::from_utf8(good).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n").into_bytes()
    };
    check(with(1, ""), MinisignError::Form("the second line is no signature"));
    check(with(1, lines[3]), MinisignError::Form("the second line is no signature"));
    check(with(2, "trusted comment:x"), MinisignError::Form("the third line is no trusted comment"));
    check(with(3, lines[1]), MinisignError::Form("the fourth line is no signature"));
    // `Ed`, over the file itself, as minisign made them before 0.10.
    check(with(1, &format!("RW{}", &lines[1][2..])), MinisignError::Legacy);
    check(with(1, &format!("AAA{}", &lines[1][3..])), MinisignError::Form("its algorithm is unknown"));
}

#[test]
fn a_rule_covers_key_id_capabilities_and_version_or_nothing() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let rule = vendor.rule("vendor", "example/*", &["log", "clock"], Some(">=1.2.0"));
    let trust = Trust::new(vec![rule]);
    let check = |signer: &Vendor, facts: Facts<'_>, expected: Expect| {
        let signatures = signer.sign(COMPONENT, facts.id, facts.version);
        let judged = judged(&trust, claim(COMPONENT, &signatures), &facts);
        let text = told(&judged, &[(&vendor, "VENDOR"), (&other, "OTHER")]);
        expected.assert_eq(text.lines().next().unwrap());
    };
    check(
        &other,
        guard(),
        expect![
            "nobody vouches for it: no [[trust]] covers it (`vendor` comes nearest: it wants a signature by the minisign key VENDOR, and this one is by the minisign key OTHER), its digest is not pinned, and it is not said to be unsigned"
        ],
    );
    check(
        &vendor,
        facts("elsewhere/guard", "1.2.0", &[]),
        expect![
            "nobody vouches for it: no [[trust]] covers it (`vendor` comes nearest: it is for `example/*`, and this is `elsewhere/guard`), its digest is not pinned, and it is not said to be unsigned"
        ],
    );
    check(
        &vendor,
        facts(GUARD.0, "1.2.0", &["clock", "egress", "state"]),
        expect![
            "nobody vouches for it: no [[trust]] covers it (`vendor` comes nearest: it lets such a plugin have `clock`, `log`, and this one imports `egress`, `state`), its digest is not pinned, and it is not said to be unsigned"
        ],
    );
    check(
        &vendor,
        facts(GUARD.0, "1.1.9", &["log"]),
        expect![
            "nobody vouches for it: no [[trust]] covers it (`vendor` comes nearest: it is for versions >=1.2.0, and this is 1.1.9), its digest is not pinned, and it is not said to be unsigned"
        ],
    );
    check(
        &vendor,
        facts(GUARD.0, "2.0.0-rc.1", &[]),
        expect![
            "nobody vouches for it: no [[trust]] covers it (`vendor` comes nearest: it is for versions >=1.2.0, and this is 2.0.0-rc.1), its digest is not pinned, and it is not said to be unsigned"
        ],
    );
    check(
        &vendor,
        facts(GUARD.0, "1.2.0", &["log"]),
        expect!["signed by the minisign key VENDOR, trusted by `vendor`"],
    );
    check(&vendor, guard(), expect!["signed by the minisign key VENDOR, trusted by `vendor`"]);
}

#[test]
fn the_first_rule_that_covers_is_told_and_else_the_nearest() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let trust = Trust::new(vec![
        other.rule("other", "*", &["log", "clock", "state", "egress"], None),
        vendor.rule("narrow", "example/*", &[], None),
        vendor.rule("old", "example/guard", &["clock"], Some(">=3.0.0")),
        vendor.rule("wide", "example/guard", &["clock"], None),
    ]);
    let check = |trust: &Trust, capabilities: &[&'static str], expected: Expect| {
        let signatures = vendor.sign(COMPONENT, GUARD.0, GUARD.1);
        let facts = facts(GUARD.0, GUARD.1, capabilities);
        let text = told(&judged(trust, claim(COMPONENT, &signatures), &facts), &[(&vendor, "VENDOR")]);
        expected.assert_eq(text.lines().next().unwrap());
    };
    check(&trust, &[], expect!["signed by the minisign key VENDOR, trusted by `narrow`"]);
    // A version that asks for more is not covered by the rule that covered the last one, and may be by another.
    check(&trust, &["clock"], expect!["signed by the minisign key VENDOR, trusted by `wide`"]);
    check(
        &trust,
        &["egress"],
        expect![
            "nobody vouches for it: no [[trust]] covers it (`narrow` comes nearest: it lets such a plugin have nothing, and this one imports `egress`), its digest is not pinned, and it is not said to be unsigned"
        ],
    );
    let without_wide = Trust::new(trust.rules[..3].to_vec());
    check(
        &without_wide,
        &["clock"],
        expect![
            "nobody vouches for it: no [[trust]] covers it (`old` comes nearest: it is for versions >=3.0.0, and this is 1.2.0), its digest is not pinned, and it is not said to be unsigned"
        ],
    );
}

#[test]
fn a_rule_without_plugins_or_with_a_key_of_the_same_number_trusts_nothing() {
    let vendor = Vendor::new();
    let signatures = vendor.sign(COMPONENT, GUARD.0, GUARD.1);
    let rule = Rule { plugins: vec![], ..vendor.rule("vendor", "*", &[], None) };
    assert!(judged(&Trust::new(vec![rule]), claim(COMPONENT, &signatures), &guard()).is_err());
    // Two keys may say that they are the same; the one that signed is found.
    let twin = twin_of(&vendor);
    let rules = vec![
        Rule { key: Key::Minisign(twin), ..vendor.rule("twin", "*", &[], None) },
        vendor.rule("vendor", "*", &[], None),
    ];
    let judged = judged(&Trust::new(rules), claim(COMPONENT, &signatures), &guard());
    let Ok(Signer::Rule { rule, .. }) = judged else { panic!("{judged:?}") };
    assert_eq!(rule, "vendor");
}

/// Another key under the same number.
fn twin_of(vendor: &Vendor) -> PublicKey {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let mut bytes = BASE64_STANDARD.decode(Vendor::new().pair.pk.to_base64()).unwrap();
    bytes[2..10].copy_from_slice(&BASE64_STANDARD.decode(vendor.pair.pk.to_base64()).unwrap()[2..10]);
    BASE64_STANDARD.encode(bytes).parse().unwrap()
}

#[test]
fn a_signature_that_is_read_with_other_line_ends_is_the_same() {
    let vendor = Vendor::new();
    let signature = vendor.sign(COMPONENT, GUARD.0, GUARD.1).minisign.unwrap();
    let text = String::from_utf8(signature).unwrap();
    for text in [text.trim_end().to_owned(), text.replace('\n', "\r\n")] {
        let signatures = Signatures { minisign: Some(text.into_bytes()), sigstore: None };
        let trust = Trust::new(vec![vendor.rule("vendor", "*", &[], None)]);
        assert!(judged(&trust, claim(COMPONENT, &signatures), &guard()).is_ok());
    }
}

/// What can be changed on the way.
#[derive(Clone, Copy, Debug)]
enum Changed {
    Component,
    Signature,
    Key,
}

fn changes() -> impl Strategy<Value = (Changed, usize, u8)> {
    let changed = prop_oneof![Just(Changed::Component), Just(Changed::Signature), Just(Changed::Key)];
    (changed, any::<prop::sample::Index>().prop_map(|at| at.index(10_000)), 0..8_u8)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    /// One flipped bit of the component, of the signature's file (but for the comment that minisign itself calls untrusted) or of
    /// the key, and it is refused.
    #[test]
    fn any_flipped_bit_is_refused((changed, at, bit) in changes()) {
        let vendor = Vendor::new();
        let mut component = COMPONENT.to_vec();
        let mut signature = vendor.sign(COMPONENT, GUARD.0, GUARD.1).minisign.unwrap();
        let mut key = vendor.pair.pk.to_base64().into_bytes();
        // Whatever ends the file stands for nothing.
        signature.truncate(signature.trim_ascii_end().len());
        let covered = b"untrusted comment: ".len();
        let comment_ends = signature.iter().position(|byte| *byte == b'\n').unwrap();
        match changed {
            Changed::Component => flip(&mut component, at, bit),
            Changed::Signature => {
                let counts = covered + signature.len() - comment_ends;
                let at = at % counts;
                let at = if at < covered { at } else { at - covered + comment_ends };
                flip(&mut signature, at, bit);
            }
            Changed::Key => flip(&mut key, at, bit),
        }
        let parsed = String::from_utf8(key).ok().and_then(|key| key.parse::<PublicKey>().ok());
        let rules = parsed.map(|public| Rule {
            key: Key::Minisign(public),
            ..vendor.rule("vendor", "*", &[], None)
        });
        let signatures = Signatures { minisign: Some(signature), sigstore: None };
        let trust = Trust::new(rules.into_iter().collect());
        let judged = judged(&trust, claim(&component, &signatures), &guard());
        prop_assert!(judged.is_err(), "{changed:?} {at} {bit}: {judged:?}");
    }

    /// Whatever lies beside a component, judging it ends, and never in trust.
    #[test]
    fn no_bytes_are_a_signature(minisign in any::<Vec<u8>>(), sigstore in any::<Vec<u8>>()) {
        let vendor = Vendor::new();
        let trust = Trust::new(vec![vendor.rule("vendor", "*", &[], None)]);
        let signatures = Signatures { minisign: Some(minisign), sigstore: Some(sigstore) };
        prop_assert!(judged(&trust, claim(COMPONENT, &signatures), &guard()).is_err());
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: u8) {
    let at = at % bytes.len();
    bytes[at] ^= 1 << bit;
}
