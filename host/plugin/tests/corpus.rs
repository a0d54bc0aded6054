//! Components made for frozen versions of the interface (tests/corpus): the bytes are those of then, and they run on the host of
//! now, capability by capability.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use grille_core::untrusted::CellBlock;
use grille_core::{PluginId, Support};
use grille_plugin::{
    ActionWords, Capability, Component, ConfigureError, Detector, FailureEvent, FieldInfo, Grants,
    KeyedTransforms, Masker, ObjectWords, Outbound, OutboundError, OutboundReply, OutboundRequest, Plugin,
    PluginFailure, Services, Vector,
};
use serde_json::{Value, json};
use support::{context, described_in, engine};

fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus").join(version)
}

/// The component's bytes, from its text and its metadata.
fn assembled(version: &str, name: &str) -> Vec<u8> {
    let file = |extension: &str| folder(version).join(name).with_extension(extension);
    let component = wat::parse_file(file("wat")).unwrap();
    described_in(&component, &fs::read_to_string(file("json")).unwrap())
}

/// The digests by name, in the form that `sha256sum` writes.
fn digests(version: &str) -> BTreeMap<String, String> {
    let sums = fs::read_to_string(folder(version).join("SHA256SUMS")).unwrap();
    let pair = |line: &str| {
        let (digest, file) = line.split_once("  ").expect("a digest, two blanks, a file");
        (file.trim_end_matches(".wasm").to_owned(), digest.to_owned())
    };
    sums.lines().map(pair).collect()
}

/// A calendar that is asked in the only way it is to be asked.
struct Calendar;

impl Outbound for Calendar {
    fn fetch(&self, request: OutboundRequest<'_>) -> Result<OutboundReply, OutboundError> {
        assert_eq!((request.method, request.path, &request.body[..]), ("POST", "/today", &b"now"[..]));
        assert_eq!(request.host.to_string(), "calendar.example:443");
        let accept = request.headers.iter().any(|(name, value)| name == "accept" && value == "text/plain");
        assert!(accept, "{:?}", request.headers);
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        Ok(OutboundReply { status: 200, headers, body: b"open".to_vec() })
    }
}

/// A component of the corpus, with all that it may be granted standing behind it.
fn component(name: &str) -> Component {
    let keyed = Arc::new(KeyedTransforms::new(&[7; 32]).unwrap());
    let services = Services { outbound: Some(Arc::new(Calendar)), keyed: Some(keyed) };
    engine().clone().with_services(services).compile(&assembled("v0.1", name)).unwrap()
}

fn configured(name: &str, settings: &Value) -> Result<Arc<Plugin>, ConfigureError> {
    let component = component(name);
    let egress = vec!["calendar.example:443".parse().unwrap()];
    let grants = Grants { capabilities: component.imports().clone(), egress };
    Plugin::configure_granted(&component, PluginId::new(name), settings, &grants).map(Arc::new)
}

fn plugin(name: &str) -> Arc<Plugin> {
    configured(name, &json!({})).unwrap()
}

#[test]
fn the_bytes_are_those_of_then() {
    let expected = digests("v0.1");
    let files = fs::read_dir(folder("v0.1")).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|path| path.extension().is_some_and(|extension| extension == "wat"));
    let made: BTreeMap<String, String> = texts
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let digest = component(&name).digest().to_owned();
            (name, digest)
        })
        .collect();
    assert_eq!(made, expected, "see tests/corpus/README.md: nothing there is ever edited");
}

#[test]
fn what_they_promise_still_holds() {
    for (name, count) in [("policy", 9), ("detector", 4)] {
        let plugin = plugin(name);
        let vectors = Vector::of(plugin.metadata()).unwrap();
        assert_eq!(vectors.len(), count, "{name}");
        for vector in vectors {
            assert_eq!(vector.run(&plugin).unwrap(), vector.expected(), "{name}: {vector}");
        }
    }
}

fn of_kind(kind: &str) -> ActionWords {
    ActionWords { kind: kind.to_owned(), text: "SOME TEXT".to_owned(), ..ActionWords::default() }
}

/// The verdict's word, the cap if there is one, and the reasons.
fn judged(
    policy: &Plugin,
    action: &ActionWords,
) -> Result<(&'static str, Option<u64>, String), PluginFailure> {
    let decision = policy.decide_words(&context(), action)?;
    let reasons: Vec<_> = decision.reasons().map(|reason| reason.text.clone()).collect();
    Ok((decision.verdict().as_str(), decision.row_cap(), reasons.join("; ")))
}

#[test]
fn every_verdict_arrives_as_it_was_meant() {
    let policy = plugin("policy");
    let check = |action: ActionWords, expected: (&'static str, Option<u64>, &str)| {
        let (verdict, cap, reasons) = judged(&policy, &action).unwrap();
        assert_eq!((verdict, cap, reasons.as_str()), expected, "{action:?}");
    };
    check(of_kind("select"), ("allow", Some(100), ""));
    check(of_kind("delete"), ("deny", None, "nothing is deleted here"));
    check(of_kind("drop table"), ("hold", None, "a table goes"));
    check(of_kind("update"), ("rewrite", None, "asks for another statement instead"));
    check(of_kind("anything"), ("deny", None, "SOME TEXT"));
    check(ActionWords { fingerprint: 42, ..of_kind("anything") }, ("allow", None, ""));
    let object = |name: &str| ObjectWords { name: name.to_owned(), ..ObjectWords::default() };
    let objects = vec![object("public.orders"), object("public.secrets")];
    check(ActionWords { objects, ..of_kind("select") }, ("deny", None, "secrets are for nobody"));
    let failed = judged(&policy, &of_kind("insert")).unwrap_err();
    assert_eq!(failed.event, FailureEvent::Refused("no opinion on inserts".to_owned()));
}

#[test]
fn settings_that_were_refused_are_refused_with_the_same_words() {
    match configured("policy", &json!({"strict": true})) {
        Err(ConfigureError::Settings(problems)) => {
            assert_eq!(
                (problems[0].pointer.as_str(), problems[0].message.as_str()),
                ("/strict", "there are no settings")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_capability_of_policies_works() {
    let policy = plugin("capable-policy");
    assert_eq!(policy.capabilities().count(), 4);
    for kind in ["log", "clock", "state", "egress"] {
        assert_eq!(judged(&policy, &of_kind(kind)).unwrap(), ("allow", None, String::new()), "{kind}");
    }
    let again = judged(&policy, &of_kind("state")).unwrap();
    assert_eq!(again, ("deny", None, "it was counted before".to_owned()));
    let denied = judged(&policy, &of_kind("nothing")).unwrap();
    assert_eq!(denied, ("deny", None, "it uses nothing".to_owned()));
}

#[test]
fn findings_and_their_support_arrive() {
    let detector = plugin("detector");
    let found = |field: &str, cells: &[&str]| {
        let field = FieldInfo { name: field.to_owned(), ..FieldInfo::default() };
        let mut detector = Detector::begin(&detector, &context(), &[field]).unwrap();
        let mut block = CellBlock::of_column(0, cells.iter().copied()).unwrap();
        // Twice: what the first call took is given back.
        detector.inspect(&mut block).unwrap();
        let findings = detector.inspect(&mut block).unwrap();
        findings.iter().map(|one| (one.cell, one.start, one.end, one.support)).collect::<Vec<_>>()
    };
    assert_eq!(
        found("note", &["", "id 4711", "12 34", "99999"]),
        [(1, 3, 7, Support::empty()), (3, 0, 5, Support::empty())]
    );
    assert_eq!(found("badge", &["0815"]), [(0, 0, 4, Support::CONTEXT)]);
    let many = vec!["4711"; 5000];
    assert_eq!(found("note", &many).len(), 5000, "its memory grows");
    let refused = Detector::begin(&detector, &context(), &[]).map(drop).unwrap_err();
    assert_eq!(refused.event, FailureEvent::Refused("there are no columns".to_owned()));
}

#[test]
fn a_maskers_tokens_are_those_of_then() {
    let masker = plugin("masker");
    assert_eq!(masker.capabilities().collect::<Vec<_>>(), [Capability::Keyed]);
    let fields = [FieldInfo::default()];
    let mut masker = Masker::begin(&masker, &context(), &fields).unwrap();
    let edits = masker.mask(&mut CellBlock::of_column(0, ["alice", "", "alice"]).unwrap()).unwrap();
    let values: Vec<_> = (0..edits.len()).map(|cell| edits.value(cell).unwrap()).collect();
    assert_eq!(values, ["tok_m3ktyxy24ethx3yb", "tok_2y7h2luyjaaw5h47", "tok_m3ktyxy24ethx3yb"]);
}
