//! Whatever a plugin returns: what is believed of it keeps every promise of the types it is believed as.
#![no_main]

use arbitrary::Arbitrary;
use grille_core::untrusted::{self, CellBlock, RawDecision, RawEdits, RawFinding, RawVerdict, clean_text};
use grille_core::{PluginId, Verdict};
use libfuzzer_sys::fuzz_target;

/// Limits of the calls: small, so that inputs reach them.
const FINDINGS_MAX: usize = 16;
const EDITS_BYTES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 40;

#[derive(Arbitrary, Debug)]
enum Returned {
    Findings { cells: Vec<String>, labels: u8, findings: Vec<[Number; 6]> },
    Edits { cells: u8, which: Vec<Number>, offsets: Vec<Number>, data: Vec<u8> },
    Values { values: Vec<String> },
    Decision { verdict: Word, obligations: Vec<(Key, String)> },
    Text(String),
}

/// Small ones are more often right.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Small(u8),
    Any(u32),
}

#[derive(Arbitrary, Debug)]
enum Word {
    Allow,
    Deny(String),
    Hold(String, Vec<String>, u32),
    Rewrite(String),
    Extension(String),
}

#[derive(Arbitrary, Debug)]
enum Key {
    RowCap,
    Mask,
    Other(String),
}

fuzz_target!(|returned: Returned| match returned {
    Returned::Findings { cells, labels, findings } => check_findings(&cells, labels.into(), &findings),
    Returned::Edits { cells, which, offsets, data } => {
        let raw = RawEdits { cells: numbers(&which), offsets: numbers(&offsets), data };
        check_edits(raw, cells.into());
    }
    Returned::Values { values } => check_values(&values),
    Returned::Decision { verdict, obligations } => check_decision(verdict, obligations),
    Returned::Text(text) => check_text(&clean_text(&text, TEXT_BYTES_MAX)),
});

impl Number {
    fn value(self) -> u32 {
        match self {
            Self::Small(small) => small.into(),
            Self::Any(any) => any,
        }
    }
}

fn numbers(numbers: &[Number]) -> Vec<u32> {
    numbers.iter().map(|number| number.value()).collect()
}

fn check_findings(cells: &[String], labels: usize, findings: &[[Number; 6]]) {
    let block = CellBlock::of_column(0, cells.iter().map(String::as_str)).expect("inputs are short");
    let raw = findings.iter().map(|numbers| {
        let [cell, start, end, label, score, support] = numbers.map(Number::value);
        RawFinding { cell, start, end, label, score, support }
    });
    let raw: Vec<RawFinding> = raw.collect();
    let Ok(believed) = untrusted::findings(&raw, &block, labels, FINDINGS_MAX) else { return };
    assert!(believed.len() == raw.len() && raw.len() <= FINDINGS_MAX);
    for finding in believed {
        let text = cells.get(finding.cell as usize).expect("the cell exists");
        let found = text.get(finding.start as usize..finding.end as usize).expect("whole characters of it");
        assert!(!found.is_empty() && (finding.label as usize) < labels && finding.score <= 1000);
    }
}

fn check_edits(raw: RawEdits, cells: usize) {
    let data = raw.data.clone();
    let Ok(edits) = untrusted::edits(raw, cells, EDITS_BYTES_MAX) else { return };
    assert!(edits.len() == cells && data.len() <= EDITS_BYTES_MAX);
    let values: Option<String> = (0..cells).map(|cell| edits.value(cell)).collect();
    assert_eq!(values.expect("a value for each cell").as_bytes(), data, "values and data differ");
    assert!(edits.value(cells).is_none(), "a value for a cell that there is not");
}

/// What is right is believed, and comes out as it went in.
fn check_values(values: &[String]) {
    let data: Vec<u8> = values.concat().into_bytes();
    let mut offsets = vec![0];
    let mut end = 0;
    for value in values {
        end += u32::try_from(value.len()).expect("inputs are short");
        offsets.push(end);
    }
    let cells = (0..).take(values.len()).collect();
    let bytes = data.len();
    let edits =
        untrusted::edits(RawEdits { cells, offsets, data }, values.len(), bytes).expect("it is right");
    for (cell, value) in values.iter().enumerate() {
        assert_eq!(edits.value(cell), Some(value.as_str()));
    }
}

fn check_decision(verdict: Word, obligations: Vec<(Key, String)>) {
    let unknown = obligations.iter().any(|(key, _)| match key {
        Key::RowCap | Key::Mask => false,
        Key::Other(other) => !matches!(other.as_str(), "row-cap" | "mask"),
    });
    let (verdict, denies) = match verdict {
        Word::Allow => (RawVerdict::Allow, false),
        Word::Deny(reason) => (RawVerdict::Deny(reason), true),
        Word::Hold(reason, approvers, ttl_s) => (RawVerdict::Hold { reason, approvers, ttl_s }, false),
        Word::Rewrite(sql) => (RawVerdict::Rewrite(sql), false),
        Word::Extension(name) => (RawVerdict::Extension(name), true),
    };
    let is_allow = verdict == RawVerdict::Allow;
    let obligations = obligations.into_iter().map(|(key, value)| match key {
        Key::RowCap => ("row-cap".to_owned(), value),
        Key::Mask => ("mask".to_owned(), value),
        Key::Other(key) => (key, value),
    });
    let raw = RawDecision { verdict, obligations: obligations.collect() };
    let Ok(decision) = untrusted::decision(&PluginId::new("p"), raw, TEXT_BYTES_MAX) else { return };
    assert!(!(denies || unknown) || *decision.verdict() == Verdict::Deny, "{decision:?}");
    assert!(is_allow || *decision.verdict() != Verdict::Allow, "{decision:?}");
    for reason in decision.reasons() {
        assert!(!reason.text.is_empty() && !reason.text.contains(char::is_control), "{reason:?}");
    }
}

fn check_text(text: &str) {
    assert!(text.len() <= TEXT_BYTES_MAX + '…'.len_utf8() && text.trim() == text);
    assert!(!text.contains(char::is_control) && !text.contains(['\u{2028}', '\u{202e}', '\u{2066}']));
}
