//! The native gate: a cheap necessary condition on a text's bytes, declared by the detector's metadata, tested here so
//! that a clean column never enters Wasm. It may let pass what is clean, never stop what the declared gates let pass.

use std::collections::BTreeMap;

use grille_core::{Gate, Label};

/// All gates of a detector, ready to be tested in one pass over a text.
#[derive(Clone, Debug)]
pub struct GateSet {
    gates: Vec<CompiledGate>,
    /// For each byte: which `any_of` sets it is in, and whether it is a digit or a letter.
    classes: Box<[u64; 256]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CompiledGate {
    bytes_min: usize,
    digits_min: u64,
    letters_min: u64,
    /// A bit of the class table, or 0 where the gate asks for no character.
    any_of: u64,
}

const DIGIT: u64 = 1 << 63;
const LETTER: u64 = 1 << 62;

/// Bits left for `any_of` sets.
const SETS_MAX: usize = 62;

/// How many bytes are read before the gates are asked again: most texts are shorter, and a long one that passes early
/// need not be read to its end.
const STRIDE: usize = 64;

impl GateSet {
    /// The gates of all labels; a label without gates lets everything pass. `None` when there are more different `any_of`
    /// sets than fit, or one with a character that is not ASCII.
    pub fn new(labels: &[Label]) -> Option<Self> {
        let mut set = Self { gates: vec![], classes: digit_and_letter_classes() };
        let mut bits = BTreeMap::new();
        for label in labels {
            if label.gates.is_empty() {
                set.add(&Gate::default(), &mut bits)?;
            }
            for gate in &label.gates {
                set.add(gate, &mut bits)?;
            }
        }
        Some(set)
    }

    fn add(&mut self, gate: &Gate, bits: &mut BTreeMap<Vec<u8>, u64>) -> Option<()> {
        let any_of = self.class_bit(&gate.any_of, bits)?;
        let compiled = CompiledGate {
            bytes_min: gate.bytes_min as usize,
            digits_min: u64::from(gate.digits_min),
            letters_min: u64::from(gate.letters_min),
            any_of,
        };
        if !self.gates.contains(&compiled) {
            self.gates.push(compiled);
        }
        Some(())
    }

    fn class_bit(&mut self, any_of: &str, bits: &mut BTreeMap<Vec<u8>, u64>) -> Option<u64> {
        let mut characters = any_of.as_bytes().to_vec();
        characters.sort_unstable();
        characters.dedup();
        if characters.is_empty() {
            return Some(0);
        }
        if let Some(bit) = bits.get(&characters) {
            return Some(*bit);
        }
        if bits.len() == SETS_MAX || !characters.is_ascii() {
            return None;
        }
        let bit = 1 << bits.len();
        for character in &characters {
            self.classes[usize::from(*character)] |= bit;
        }
        bits.insert(characters, bit);
        Some(bit)
    }

    /// Whether the detector must see the text. An empty text never passes.
    pub fn passes(&self, text: &[u8]) -> bool {
        if text.is_empty() || self.gates.iter().all(|gate| text.len() < gate.bytes_min) {
            return false;
        }
        let (mut seen, mut digits, mut letters) = (0, 0, 0);
        for stretch in text.chunks(STRIDE) {
            for byte in stretch {
                let class = self.classes[usize::from(*byte)];
                seen |= class;
                digits += class >> 63;
                letters += (class >> 62) & 1;
            }
            if self.gates.iter().any(|gate| gate.opens(text.len(), seen, digits, letters)) {
                return true;
            }
        }
        false
    }
}

impl CompiledGate {
    fn opens(&self, bytes: usize, seen: u64, digits: u64, letters: u64) -> bool {
        bytes >= self.bytes_min
            && digits >= self.digits_min
            && letters >= self.letters_min
            && (self.any_of == 0 || seen & self.any_of != 0)
    }
}

fn digit_and_letter_classes() -> Box<[u64; 256]> {
    let mut classes = Box::new([0; 256]);
    for byte in 0..=u8::MAX {
        if byte.is_ascii_digit() {
            classes[usize::from(byte)] = DIGIT;
        }
        if byte.is_ascii_alphabetic() {
            classes[usize::from(byte)] = LETTER;
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use grille_core::EvidenceClass;
    use proptest::prelude::*;

    use super::*;

    fn label(gates: Vec<Gate>) -> Label {
        Label {
            name: "L".into(),
            evidence: EvidenceClass::Alone,
            chance_pass: 0.5,
            headers: vec![],
            headers_against: vec![],
            gates,
        }
    }

    /// The documentation of [`Gate`], word for word.
    fn naive(labels: &[Label], text: &[u8]) -> bool {
        let count = |kind: fn(&u8) -> bool| text.iter().filter(|byte| kind(byte)).count();
        let opens = |gate: &Gate| {
            text.len() >= gate.bytes_min as usize
                && count(u8::is_ascii_digit) >= gate.digits_min as usize
                && count(u8::is_ascii_alphabetic) >= gate.letters_min as usize
                && (gate.any_of.is_empty() || text.iter().any(|byte| gate.any_of.as_bytes().contains(byte)))
        };
        !text.is_empty() && labels.iter().any(|label| label.gates.is_empty() || label.gates.iter().any(opens))
    }

    #[test]
    fn gates_open_for_what_they_ask_for() {
        let gates = vec![
            Gate { any_of: "@".into(), bytes_min: 6, ..Gate::default() },
            Gate { digits_min: 9, ..Gate::default() },
        ];
        let set = GateSet::new(&[label(gates)]).expect("few sets");
        let check = |text: &str, expected| assert_eq!(set.passes(text.as_bytes()), expected, "{text}");
        check("", false);
        check("a@b.co", true);
        check("a@b.c", false);
        check("12345678", false);
        check("123-45-6789", true);
        check(&("x".repeat(500) + "123456789"), true);
        check(&"x".repeat(500), false);
    }

    #[test]
    fn a_label_without_gates_opens_for_everything_but_nothing() {
        let set = GateSet::new(&[label(vec![])]).expect("few sets");
        assert!(set.passes(b"x") && !set.passes(b""));
        let none = GateSet::new(&[]).expect("few sets");
        assert!(!none.passes(b"x"), "no labels, nothing to find");
    }

    #[test]
    fn more_sets_than_bits_are_refused() {
        let gates =
            |count: u8| (0..count).map(|n| Gate { any_of: char::from(b'!' + n).into(), ..Gate::default() });
        assert!(GateSet::new(&[label(gates(62).collect())]).is_some());
        assert!(GateSet::new(&[label(gates(63).collect())]).is_none());
        assert!(GateSet::new(&[label(vec![Gate { any_of: "é".into(), ..Gate::default() }])]).is_none());
    }

    fn gates() -> impl Strategy<Value = Gate> {
        (0_u32..8, 0_u32..6, 0_u32..6, "[@+.:a1-]{0,3}").prop_map(
            |(bytes_min, digits_min, letters_min, any_of)| Gate {
                bytes_min,
                digits_min,
                letters_min,
                any_of,
            },
        )
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_the_documentation(
            gates in proptest::collection::vec(proptest::collection::vec(gates(), 0..4), 0..4),
            text in "[a-c@+.:0-9é -]{0,12}",
            padding in 0_usize..130,
        ) {
            let labels: Vec<Label> = gates.into_iter().map(label).collect();
            let set = GateSet::new(&labels).expect("few sets");
            let text = " ".repeat(padding) + &text;
            prop_assert_eq!(set.passes(text.as_bytes()), naive(&labels, text.as_bytes()));
        }
    }
}
