//! How much speaks for a detector's findings in a column, and which of them count.
//!
//! One value decides little: a third of random nine-digit numbers look like a US SSN. So a finding counts by its label's
//! class ([`EvidenceClass`]), by what stands beside the value ([`Support`]), by the column's name, and by the column as a
//! whole: once distinct values that all pass the detector's check cannot do so by chance, the label is established, and
//! stays so for this result.
//!
//! Two rules keep a client from talking a column out of it. The name that the client sees can only speak for a label, never
//! against one, for an alias can change it; only a column's real name can speak against. And a name that speaks against
//! withholds the evidence of the column's share, nothing else: what may fire alone, or has support of its own, fires.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{EvidenceClass, Finding, Label, Support};

/// A label is established when the probability that its values passed by chance is at most this (and a hair more, for sums
/// of logarithms are not exact).
const CHANCE_MAX: f64 = 1.000_001e-6;

/// And when at least this share of the column's texts holds one of its values.
const SHARE_MIN: f64 = 0.8;

/// Most distinct values counted for one label. A label whose `chance_pass` is above 0.9866 needs more and is never
/// established by share.
const DISTINCT_MAX: usize = 1024;

/// What is known of one column of a result, for one detector.
#[derive(Clone, Debug)]
pub struct ColumnEvidence {
    texts: u64,
    labels: Vec<LabelEvidence>,
}

#[derive(Clone, Debug)]
struct LabelEvidence {
    class: EvidenceClass,
    chance_pass: f64,
    header: Header,
    /// Texts that hold a value of the label.
    passing: u64,
    /// Hashes of the values seen.
    distinct: HashSet<u64>,
    /// Natural logarithm of the probability that they all passed by chance.
    chance_ln: f64,
    established: bool,
}

/// What a column's name says of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    For,
    Against,
    Silent,
}

impl ColumnEvidence {
    /// Nothing seen yet. `name` is what the client sees; `origin` is `schema.table.column`, empty when not known.
    pub fn new(labels: &[Label], name: &str, origin: &str) -> Self {
        let names = ColumnNames::new(name, origin);
        let labels = labels.iter().map(|label| LabelEvidence::new(label, &names)).collect();
        Self { texts: 0, labels }
    }

    /// Takes a block of the column into account: how many texts of it are not empty, and what was found in which text
    /// (`finding.cell` tells the block's texts apart).
    /// Observe a whole block before asking what [counts](Self::counts), so that its first values profit from its last.
    pub fn observe<'t>(&mut self, texts: u64, found: impl IntoIterator<Item = (&'t str, &'t Finding)>) {
        self.texts += texts;
        let mut last = HashSet::new();
        for (text, finding) in found {
            let label = self.labels.get_mut(finding.label as usize);
            let Some(label) = label.filter(|label| label.is_open()) else { continue };
            if last.insert((finding.cell, finding.label)) {
                label.passing += 1;
            }
            label.note(text, finding);
        }
        for label in &mut self.labels {
            label.settle(self.texts);
        }
    }

    /// Whether a finding counts, by all that was observed. A label that does not exist counts for nothing.
    pub fn counts(&self, finding: &Finding) -> bool {
        self.labels.get(finding.label as usize).is_some_and(|label| label.counts(finding.support))
    }
}

impl LabelEvidence {
    fn new(label: &Label, names: &ColumnNames) -> Self {
        Self {
            class: label.evidence,
            chance_pass: label.chance_pass,
            header: names.header(label),
            passing: 0,
            distinct: HashSet::new(),
            chance_ln: 0.0,
            established: false,
        }
    }

    fn counts(&self, support: Support) -> bool {
        let named = self.header == Header::For;
        match self.class {
            EvidenceClass::Alone => true,
            EvidenceClass::Supported => {
                named || self.established || support.intersects(Support::SEPARATED | Support::CONTEXT)
            }
            EvidenceClass::Context => named || support.contains(Support::CONTEXT),
        }
    }

    /// Whether the column's share can make a difference: it decides for one class only, and only once.
    fn is_open(&self) -> bool {
        self.class == EvidenceClass::Supported && self.header == Header::Silent && !self.established
    }

    /// Takes a value into account, while that can make a difference.
    fn note(&mut self, text: &str, finding: &Finding) {
        let Some(value) = text.get(finding.start as usize..finding.end as usize) else { return };
        if self.distinct.len() >= DISTINCT_MAX {
            return;
        }
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        if self.distinct.insert(hasher.finish()) {
            self.chance_ln += (self.chance_pass * candidates(text, finding)).min(1.0).ln();
        }
    }

    fn settle(&mut self, texts: u64) {
        let share = self.passing as f64 / texts.max(1) as f64;
        if self.is_open() && self.chance_ln <= CHANCE_MAX.ln() && share >= SHARE_MIN {
            self.established = true;
            self.distinct = HashSet::new();
        }
    }
}

/// How many values of the finding's sort the text offers, at least: the finding itself, and each word beside it that has
/// digits, if the finding has some. In a text of many numbers one of them passes easily (an embedding's thousand
/// floats), so its chance is that many times as great.
fn candidates(text: &str, finding: &Finding) -> f64 {
    let (start, end) = (finding.start as usize, finding.end as usize);
    let digits = |part: &str| part.bytes().any(|byte| byte.is_ascii_digit());
    let numeric = text.get(start..end).is_some_and(digits);
    let beside = [text.get(..start), text.get(end..)].into_iter().flatten();
    let words = beside.flat_map(|part| part.split(|c: char| !c.is_alphanumeric()));
    1.0 + words.filter(|word| !word.is_empty() && (!numeric || digits(word))).count() as f64
}

/// The words of a column's names.
struct ColumnNames {
    /// Of the name the client sees.
    shown: Vec<String>,
    /// Of the column's real name.
    real: Vec<String>,
}

impl ColumnNames {
    fn new(name: &str, origin: &str) -> Self {
        let column = origin.rsplit('.').next().unwrap_or_default();
        Self { shown: words(name), real: words(column) }
    }

    fn header(&self, label: &Label) -> Header {
        let mentions = |names: &[String], headers: &[String]| {
            headers.iter().any(|header| contains(names, &words(header)))
        };
        if mentions(&self.shown, &label.headers) || mentions(&self.real, &label.headers) {
            Header::For
        } else if mentions(&self.real, &label.headers_against) {
            Header::Against
        } else {
            Header::Silent
        }
    }
}

/// Whether `words` has `wanted` in one piece.
fn contains(words: &[String], wanted: &[String]) -> bool {
    !wanted.is_empty() && words.windows(wanted.len()).any(|window| window == wanted)
}

/// The words of a name in lower case: split at everything that is no letter, and where lower case turns to upper case or
/// an abbreviation ends (`SSNNumber` has two words).
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let characters: Vec<char> = name.chars().collect();
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(index + 1);
        if !character.is_alphabetic() || begins_word(before, *character, after) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphabetic(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn begins_word(before: Option<&char>, character: char, after: Option<&char>) -> bool {
    let lower = |c: Option<&char>| c.is_some_and(|c| c.is_lowercase());
    let upper = |c: Option<&char>| c.is_some_and(|c| c.is_uppercase());
    character.is_uppercase() && (lower(before) || (upper(before) && lower(after)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label(evidence: EvidenceClass, chance_pass: f64) -> Label {
        Label {
            name: "L".into(),
            evidence,
            chance_pass,
            headers: vec!["ssn".into(), "card number".into(), "credit_card".into()],
            headers_against: vec!["version".into(), "order".into()],
            gates: vec![],
        }
    }

    fn whole(cell: u32, text: &str, support: Support) -> Finding {
        Finding {
            cell,
            start: 0,
            end: u32::try_from(text.len()).expect("short"),
            label: 0,
            score: 500,
            support,
        }
    }

    /// Whether a finding with `support` counts once the column's texts, of which those of digits pass, were observed.
    fn counts(
        class: EvidenceClass,
        chance: f64,
        [name, origin]: [&str; 2],
        texts: &[&str],
        support: Support,
    ) -> bool {
        let mut column = ColumnEvidence::new(&[label(class, chance)], name, origin);
        let passing =
            texts.iter().zip(0..).filter(|(text, _)| text.bytes().all(|byte| byte.is_ascii_digit()));
        let found: Vec<(&str, Finding)> =
            passing.map(|(text, cell)| (*text, whole(cell, text, Support::empty()))).collect();
        column.observe(texts.len() as u64, found.iter().map(|(text, finding)| (*text, finding)));
        column.counts(&whole(0, "1", support))
    }

    const EIGHT: [&str; 8] = ["11", "12", "13", "14", "15", "16", "17", "18"];
    const UNNAMED: [&str; 2] = ["x", ""];

    #[test]
    fn classes_need_what_they_need() {
        use EvidenceClass::{Alone, Context, Supported};
        let check = |class, names, support, expected| {
            assert_eq!(
                counts(class, 0.1, names, &["1"], support),
                expected,
                "{class:?} {names:?} {support:?}"
            );
        };
        check(Alone, UNNAMED, Support::empty(), true);
        check(Alone, ["version", "public.t.version"], Support::empty(), true);
        check(Supported, UNNAMED, Support::empty(), false);
        check(Supported, UNNAMED, Support::CHECKED, false);
        check(Supported, UNNAMED, Support::SEPARATED, true);
        check(Supported, UNNAMED, Support::CONTEXT, true);
        check(Supported, ["ssn", ""], Support::empty(), true);
        check(Supported, ["x", "public.people.ssn"], Support::empty(), true);
        check(Supported, ["version", "public.t.version"], Support::SEPARATED, true);
        check(Context, UNNAMED, Support::SEPARATED, false);
        check(Context, UNNAMED, Support::CONTEXT, true);
        check(Context, ["customer_ssn", ""], Support::empty(), true);
    }

    #[test]
    fn a_column_is_established_by_its_values() {
        let check = |class, chance, names, texts: &[&str], expected| {
            assert_eq!(
                counts(class, chance, names, texts, Support::empty()),
                expected,
                "{chance} {names:?} {texts:?}"
            );
        };
        use EvidenceClass::{Context, Supported};
        check(Supported, 0.1, UNNAMED, &EIGHT, true);
        check(Supported, 0.1, UNNAMED, &EIGHT[..6], true);
        check(Supported, 0.1, UNNAMED, &EIGHT[..5], false);
        check(Supported, 0.1, UNNAMED, &["11"; 100], false);
        check(Supported, 0.9, UNNAMED, &EIGHT, false);
        check(Supported, 1.0, UNNAMED, &EIGHT, false);
        check(Context, 0.1, UNNAMED, &EIGHT, false);
        check(Supported, 0.1, ["n", "public.t.order_no"], &EIGHT, false);
        check(Supported, 0.1, ["order_no", ""], &EIGHT, true);
        let with_others = |others: usize| [&EIGHT[..], &vec!["-"; others]].concat();
        check(Supported, 0.1, UNNAMED, &with_others(2), true);
        check(Supported, 0.1, UNNAMED, &with_others(3), false);
    }

    #[test]
    fn established_stays_established() {
        let mut column = ColumnEvidence::new(&[label(EvidenceClass::Supported, 0.1)], "x", "");
        let found: Vec<(&str, Finding)> =
            EIGHT.iter().zip(0..).map(|(text, cell)| (*text, whole(cell, text, Support::empty()))).collect();
        column.observe(8, found.iter().map(|(text, finding)| (*text, finding)));
        column.observe(1000, []);
        assert!(column.counts(&found[0].1));
    }

    #[test]
    fn many_numbers_in_one_text_prove_little() {
        let established = |beside: &str| {
            let mut column = ColumnEvidence::new(&[label(EvidenceClass::Supported, 0.1)], "x", "");
            let found: Vec<(String, Finding)> = EIGHT
                .iter()
                .zip(0..)
                .map(|(value, cell)| (format!("{value}{beside}"), whole(cell, value, Support::empty())))
                .collect();
            column.observe(8, found.iter().map(|(text, finding)| (text.as_str(), finding)));
            column.counts(&found[0].1)
        };
        assert!(established(" was paid"));
        assert!(!established(" 0.12 0.34 0.56 0.78 0.91"));
    }

    #[test]
    fn several_findings_in_one_text_are_one_text() {
        let mut column = ColumnEvidence::new(&[label(EvidenceClass::Supported, 0.001)], "x", "");
        let text = "111 222 333 444 555";
        let found: Vec<Finding> = (0..5)
            .map(|n| Finding { start: 4 * n, end: 4 * n + 3, ..whole(0, text, Support::empty()) })
            .collect();
        column.observe(5, found.iter().map(|finding| (text, finding)));
        assert!(!column.counts(&found[0]), "one text of five is no share");
    }

    #[test]
    fn words_are_split_as_people_write_names() {
        let check = |name: &str, expected: &[&str]| assert_eq!(words(name), expected, "{name}");
        check("", &[]);
        check("ssn", &["ssn"]);
        check("customer_ssn", &["customer", "ssn"]);
        check("customer-ssn", &["customer", "ssn"]);
        check("customerSsn", &["customer", "ssn"]);
        check("SSNNumber", &["ssn", "number"]);
        check("CUSTOMER_SSN", &["customer", "ssn"]);
        check("address2line", &["address", "line"]);
        check("n° carte", &["n", "carte"]);
        check("prénomClient", &["prénom", "client"]);
        check("__", &[]);
    }

    #[test]
    fn headers_match_whole_words_in_one_piece() {
        let check = |name: &str, expected| {
            let names = ColumnNames::new(name, "");
            assert_eq!(names.header(&label(EvidenceClass::Context, 0.1)), expected, "{name}");
        };
        check("ssn_hash", Header::For);
        check("classname", Header::Silent);
        check("cardNumber2", Header::For);
        check("number_card", Header::Silent);
        check("card_long_number", Header::Silent);
        check("order_credit_card", Header::For);
        check("order", Header::Silent);
    }

    fn supports() -> impl Strategy<Value = Support> {
        (0_u32..8).prop_map(Support::from_bits_truncate)
    }

    proptest! {
        #[test]
        fn more_support_never_counts_less(
            class in prop_oneof![Just(EvidenceClass::Alone), Just(EvidenceClass::Supported), Just(EvidenceClass::Context)],
            name in "[a-z_]{0,12}",
            texts in proptest::collection::vec("[0-9]{1,3}|-", 0..20),
            some in supports(),
            more in supports(),
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let counts = |support| counts(class, 0.1, [&name, ""], &texts, support);
            prop_assert!(!counts(some) || counts(some | more));
        }

        #[test]
        fn an_alias_never_takes_away(
            alias in "version|order|ssn|[a-z]{0,8}",
            texts in proptest::collection::vec("[0-9]{1,3}|-", 0..20),
            support in supports(),
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let counts = |name: &str| counts(EvidenceClass::Supported, 0.1, [name, "public.t.c"], &texts, support);
            prop_assert!(!counts("") || counts(&alias));
        }

        #[test]
        fn splitting_a_block_never_depends_on_empty_texts_or_panics(
            name in "\\PC{0,20}",
            text in "\\PC{0,20}",
            cell in any::<u32>(), start in any::<u32>(), end in any::<u32>(), label_index in any::<u32>(),
        ) {
            let mut column = ColumnEvidence::new(&[label(EvidenceClass::Supported, 0.1)], &name, &name);
            let finding = Finding { cell, start, end, label: label_index, score: 0, support: Support::empty() };
            column.observe(0, [(text.as_str(), &finding)]);
            column.counts(&finding);
        }
    }
}
