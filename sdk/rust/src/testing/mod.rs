//! Tests of a plugin without a gateway and without WebAssembly: give a detector texts, a policy actions, and check both
//! against the plugin's own `plugin.toml`. Everything here panics with what is wrong, as tests do.

mod capabilities;
mod manifest;

use std::ops::Range;

pub use capabilities::Capabilities;
pub use manifest::{Expectation, ExpectedFinding, Gate, LabelEntry, Manifest, ObjectEntry, Vector};

use crate::{
    Action, Block, Decision, Detector, DetectorSession, Diagnostic, Exchange, Field, Label, Masker,
    MaskerSession, Object, Policy, SCORE_MAX, Support, configure_json,
};

/// What a detector found in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'t> {
    /// What it is said to be.
    pub label: Label,
    /// Where, in bytes.
    pub range: Range<usize>,
    /// The text there.
    pub text: &'t str,
    /// How sure the detector is.
    pub score: u32,
    /// What speaks for it.
    pub support: Support,
}

/// A configured detector.
///
/// # Errors
/// What the detector says of the settings.
pub fn detector<D: Detector>(settings_json: &str) -> Result<DetectorSession<D>, Vec<Diagnostic>> {
    configure_json(settings_json, D::configure).map(DetectorSession::new)
}

/// A configured policy.
///
/// # Errors
/// What the policy says of the settings.
pub fn policy<P: Policy>(settings_json: &str) -> Result<P, Vec<Diagnostic>> {
    configure_json(settings_json, P::configure)
}

/// A configured masker.
///
/// # Errors
/// What the masker says of the settings.
pub fn masker<M: Masker>(settings_json: &str) -> Result<MaskerSession<M>, Vec<Diagnostic>> {
    configure_json(settings_json, M::configure).map(MaskerSession::new)
}

/// What the detector finds in one text of a nameless column, by place.
///
/// # Panics
/// The detector refuses, or a finding breaks a rule of the interface; the host would fail closed.
pub fn inspect<'t, D: Detector>(session: &mut DetectorSession<D>, text: &'t str) -> Vec<Found<'t>> {
    session.begin(&Exchange::default(), vec![Field::default()]).expect("the detector begins");
    let found = session.inspect(&block_of(text)).expect("the detector inspects");
    let mut found: Vec<_> = found.iter().map(|finding| checked(finding, text)).collect();
    found.sort_by_key(|found| (found.range.start, found.range.end, found.label));
    found
}

/// What the masker makes of one text of a nameless column.
///
/// # Panics
/// The masker refuses; the host would replace the value itself.
pub fn mask<M: Masker>(session: &mut MaskerSession<M>, text: &str) -> String {
    session.begin(&Exchange::default(), vec![Field::default()]).expect("the masker begins");
    session.mask(&block_of(text)).expect("the masker masks").data
}

/// An action, from words. Objects are `kind`, `name`, `access`.
pub fn action(kind: &str, effects: &[&str], objects: &[(&str, &str, &str)], features: &[&str]) -> Action {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let object = |&(kind, name, access): &(&str, &str, &str)| Object {
        kind: kind.into(),
        name: name.into(),
        access: access.into(),
    };
    Action {
        kind: kind.into(),
        effects: words(effects),
        objects: objects.iter().map(object).collect(),
        features: words(features),
        ..Action::default()
    }
}

/// The policy's word on one action in an exchange of nobody in particular.
///
/// # Panics
/// The policy refuses to begin; the host would deny.
pub fn decide<P: Policy>(policy: &mut P, action: &Action) -> Decision {
    policy.begin(&Exchange::default()).expect("the policy begins");
    policy.decide(action)
}

fn block_of(text: &str) -> Block {
    let end = u32::try_from(text.len()).expect("a test text is shorter than 4 GiB");
    Block::new(1, vec![0], vec![0, end], text.into()).expect("one cell is a block")
}

/// The rules of WIT's `finding`.
fn checked<'t>(finding: &crate::Finding, text: &'t str) -> Found<'t> {
    let range = finding.start as usize..finding.end as usize;
    let found = text.get(range.clone()).unwrap_or_else(|| panic!("{range:?} is not a part of {text:?}"));
    assert!(!found.is_empty(), "an empty finding at {} of {text:?}", range.start);
    assert!(finding.score <= SCORE_MAX, "score {}", finding.score);
    Found { label: finding.label, range, text: found, score: finding.score, support: finding.support }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, Findings};

    /// Says that bytes 1 to 2 of every text are sensitive.
    struct Second;

    impl Detector for Second {
        type Settings = ();

        fn configure((): ()) -> Result<Self, Vec<Diagnostic>> {
            Ok(Self)
        }

        fn inspect(&self, _cell: Cell<'_>, out: &mut Findings) {
            out.add(Label(0), 1..2, 1, Support::NONE);
        }
    }

    #[test]
    fn a_finding_is_shown_with_its_text() {
        let mut session = detector::<Second>("null").expect("configures");
        assert_eq!(inspect(&mut session, "abc")[0].text, "b");
    }

    #[test]
    #[should_panic(expected = "is not a part of")]
    fn a_finding_inside_a_character_fails_the_test() {
        inspect(&mut detector::<Second>("null").expect("configures"), "éa");
    }

    #[test]
    #[should_panic(expected = "is not a part of")]
    fn a_finding_beyond_the_text_fails_the_test() {
        inspect(&mut detector::<Second>("null").expect("configures"), "a");
    }

    #[test]
    fn settings_that_do_not_fit_are_a_diagnostic() {
        assert_eq!(detector::<Second>("{}").err().map(|diagnostics| diagnostics.len()), Some(1));
        assert_eq!(detector::<Second>("").err().map(|diagnostics| diagnostics.len()), Some(1));
    }
}
