//! Sigstore bundles, made by a sigstore of the test's own: what is refused first, then what is trusted.
#![expect(clippy::unwrap_used, reason = "tests")]

mod authority;

use std::collections::BTreeSet;
use std::sync::Arc;

use authority::{Authority, SIGNED_AT};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use grille_trust::{
    BUNDLE_BYTES_MAX, Claim, Facts, Identity, Key, ROOT_BYTES_MAX, Root, Rule, Signatory, Signatures,
    SignedBy, Signer, SigstoreError, Trust, Unsigned, Untrusted,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const COMPONENT: &[u8] = b"\0asm, as far as this test goes";
const WORKFLOW: &str = "https://git.example/vendor/plugins/.github/workflows/release.yml@refs/tags/v1";
const ISSUER: &str = "https://token.example";

fn rule(authority: &Authority, subject: &str, issuer: &str) -> Rule {
    let root = Arc::new(Root::parse(authority.root().to_string().as_bytes()).unwrap());
    let identity = Identity { subject: subject.to_owned(), issuer: issuer.to_owned() };
    Rule {
        name: subject.to_owned(),
        key: Key::Sigstore(Signatory { root, identity }),
        plugins: vec!["example/*".parse().unwrap()],
        capabilities: BTreeSet::new(),
        versions: None,
    }
}

fn judged_with(rules: Vec<Rule>, bundle: &[u8], unsigned: Unsigned) -> Result<Signer, Untrusted> {
    let signatures = Signatures { minisign: None, sigstore: Some(bundle.to_vec()) };
    let claim = Claim { bytes: COMPONENT, signatures: &signatures, pinned: None, unsigned };
    let facts = Facts { id: "example/guard", version: "1.0.0", capabilities: BTreeSet::new() };
    Trust::new(rules).check(claim)?.admits(&facts)
}

fn judged(authority: &Authority, bundle: &Value) -> Result<Signer, Untrusted> {
    judged_with(vec![rule(authority, WORKFLOW, ISSUER)], bundle.to_string().as_bytes(), Unsigned::Refuse)
}

#[test]
fn whom_the_rule_names_is_trusted_exactly() {
    let authority = Authority::new();
    let bundle = authority.bundle(COMPONENT, WORKFLOW, ISSUER);
    let (subject, issuer) = (WORKFLOW.to_owned(), ISSUER.to_owned());
    let by = SignedBy::Sigstore(Identity { subject, issuer });
    assert_eq!(judged(&authority, &bundle), Ok(Signer::Rule { rule: WORKFLOW.to_owned(), by }));
    for (subject, issuer) in [
        (&WORKFLOW[..WORKFLOW.len() - 1], ISSUER),
        (&*format!("{WORKFLOW}2"), ISSUER),
        (&*WORKFLOW.to_uppercase(), ISSUER),
        (WORKFLOW, "https://token.example/"),
        (WORKFLOW, "https://other.example"),
        ("ada@example.com", ISSUER),
    ] {
        let bundle = authority.bundle(COMPONENT, subject, issuer);
        let error = judged(&authority, &bundle).unwrap_err();
        assert!(error.to_string().contains("this one is by "), "{subject} {issuer}: {error}");
    }
    let bundle = authority.bundle(COMPONENT, "ada@example.com", ISSUER);
    let people = [rule(&authority, WORKFLOW, ISSUER), rule(&authority, "ada@example.com", ISSUER)];
    let judged = judged_with(people.to_vec(), bundle.to_string().as_bytes(), Unsigned::Refuse);
    assert!(matches!(judged, Ok(Signer::Rule { rule, .. }) if rule == "ada@example.com"));
}

#[test]
fn what_another_authority_says_is_refused_also_where_unsigned_would_do() {
    let (authority, other) = (Authority::new(), Authority::new());
    let bundle = other.bundle(COMPONENT, WORKFLOW, ISSUER).to_string();
    for unsigned in [Unsigned::Refuse, Unsigned::Accept] {
        let rules = vec![rule(&authority, WORKFLOW, ISSUER)];
        let error = judged_with(rules, bundle.as_bytes(), unsigned).unwrap_err();
        assert!(matches!(error, Untrusted::Signature { .. }), "{error}");
    }
    // Where no rule names an authority, nothing can be said about it, and it says nothing.
    assert!(matches!(judged_with(vec![], bundle.as_bytes(), Unsigned::Refuse), Err(Untrusted::Unvouched(_))));
    assert_eq!(judged_with(vec![], bundle.as_bytes(), Unsigned::Accept), Ok(Signer::Unsigned));
    // One of several authorities is enough.
    let rules = vec![rule(&authority, WORKFLOW, ISSUER), rule(&other, WORKFLOW, ISSUER)];
    assert!(judged_with(rules, bundle.as_bytes(), Unsigned::Refuse).is_ok());
}

/// Places of a bundle, and what somebody might put there.
#[test]
fn every_part_of_a_bundle_counts() {
    let authority = Authority::new();
    let good = authority.bundle(COMPONENT, WORKFLOW, ISSUER);
    let other = authority.bundle(b"something else", WORKFLOW, ISSUER);
    let entry = "/verificationMaterial/tlogEntries/0";
    let from_other = |pointer: &str| (pointer.to_owned(), other.pointer(pointer).unwrap().clone());
    let at = |below: &str| format!("{entry}{below}");
    for (pointer, value) in [
        from_other("/messageSignature"),
        from_other("/messageSignature/signature"),
        from_other("/messageSignature/messageDigest/digest"),
        from_other("/verificationMaterial/certificate"),
        from_other(entry),
        from_other(&at("/canonicalizedBody")),
        from_other(&at("/inclusionPromise/signedEntryTimestamp")),
        from_other(&at("/inclusionProof/checkpoint/envelope")),
        from_other(&at("/inclusionProof/rootHash")),
        (at("/integratedTime"), json!((SIGNED_AT + 1).to_string())),
        (at("/logIndex"), json!("1")),
        (at("/inclusionProof/treeSize"), json!("2")),
        (at("/kindVersion/version"), json!("0.0.2")),
        (at("/inclusionPromise"), Value::Null),
        (at("/inclusionProof"), Value::Null),
        ("/verificationMaterial/tlogEntries".to_owned(), json!([])),
        ("/verificationMaterial/certificate".to_owned(), json!({ "rawBytes": "" })),
        ("/mediaType".to_owned(), json!("application/json")),
    ] {
        let mut bundle = good.clone();
        *bundle.pointer_mut(&pointer).unwrap() = value;
        let judged = judged(&authority, &bundle);
        assert!(matches!(judged, Err(Untrusted::Signature { .. })), "{pointer}: {judged:?}");
    }
    assert!(matches!(judged(&authority, &other), Err(Untrusted::Signature { .. })));
    assert!(judged(&authority, &good).is_ok());
}

#[test]
fn files_are_bounded() {
    let long = vec![b' '; ROOT_BYTES_MAX + 1];
    assert_eq!(Root::parse(&long).unwrap_err(), SigstoreError::TooLong(ROOT_BYTES_MAX));
    let long = vec![b'['; BUNDLE_BYTES_MAX + 1];
    let error = judged_with(vec![], &long, Unsigned::Accept).unwrap_err();
    assert!(error.to_string().contains(&format!("longer than {BUNDLE_BYTES_MAX} bytes")), "{error}");
    // Nested as deeply as fits.
    let deep = vec![b'['; BUNDLE_BYTES_MAX];
    assert!(matches!(judged_with(vec![], &deep, Unsigned::Accept), Err(Untrusted::Signature { .. })));
    for root in [&b""[..], b"{}", b"[]", b"\xff", &vec![b'{'; 1000]] {
        assert!(matches!(Root::parse(root), Err(SigstoreError::Form(_))), "{root:?}");
    }
}

/// Where text in a bundle is base64 of something that counts.
const SIGNED: [&str; 4] = [
    "/messageSignature/signature",
    "/verificationMaterial/certificate/rawBytes",
    "/verificationMaterial/tlogEntries/0/canonicalizedBody",
    "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_flipped_bit_of_what_is_signed_is_refused(
        pointer in prop::sample::select(&SIGNED[..]),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let authority = Authority::new();
        let mut bundle = authority.bundle(COMPONENT, WORKFLOW, ISSUER);
        let text = bundle.pointer_mut(pointer).unwrap();
        let mut bytes = BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        *text = json!(BASE64_STANDARD.encode(bytes));
        let judged = judged(&authority, &bundle);
        prop_assert!(judged.is_err(), "{pointer} {at} {bit}: {judged:?}");
    }

    /// Whatever lies there, judging it ends.
    #[test]
    fn no_text_is_a_bundle(text in "[\\[\\]{}\":,a-zA-Z0-9 ]{0,200}") {
        let authority = Authority::new();
        let rules = vec![rule(&authority, WORKFLOW, ISSUER)];
        prop_assert!(judged_with(rules, text.as_bytes(), Unsigned::Accept).is_err());
    }
}
