//! The native gate: a cheap necessary condition on a text's bytes, declared by the detector's metadata, tested here so
//! that a clean column never enters Wasm. It may let pass what is clean, never stop what the declared gates let pass.
//!
//! Nearly all texts of a result come past here, and most of them no further. So each condition is a loop that compilers make
//! vector code of, and what no gate asks for is not counted.

use std::cell::LazyCell;

use grille_core::{Gate, Label};
use memchr::memchr;

/// All gates of a detector, ready to be tested.
#[derive(Clone, Debug)]
pub struct GateSet {
    groups: Vec<Group>,
}

/// The gates that ask for the same characters.
#[derive(Clone, Debug)]
struct Group {
    /// One of these must be in the text; in order, without repeats. Empty where no character is asked for.
    any_of: Vec<u8>,
    gates: Vec<Numbers>,
}

/// What a gate asks for besides characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    bytes_min: usize,
    digits_min: usize,
    letters_min: usize,
}

/// Most groups: what bounds the time for a text, whatever the metadata says.
const GROUPS_MAX: usize = 63;

/// Bytes that are counted at once: a count of them fits one byte, so that vector lanes need be no wider.
const STRIDE: usize = 255;

impl GateSet {
    /// The gates of all labels; a label without gates lets everything pass. `None` when there are more different `any_of`
    /// sets than 62, or one with a character that is not ASCII.
    pub fn new(labels: &[Label]) -> Option<Self> {
        let mut set = Self { groups: vec![Group { any_of: vec![], gates: vec![] }] };
        for label in labels {
            if label.gates.is_empty() {
                set.add(&Gate::default())?;
            }
            for gate in &label.gates {
                set.add(gate)?;
            }
        }
        Some(set)
    }

    fn add(&mut self, gate: &Gate) -> Option<()> {
        let mut any_of = gate.any_of.as_bytes().to_vec();
        any_of.sort_unstable();
        any_of.dedup();
        let known = self.groups.iter().position(|group| group.any_of == any_of);
        if known.is_none() && (self.groups.len() == GROUPS_MAX || !any_of.is_ascii()) {
            return None;
        }
        let index = known.unwrap_or_else(|| {
            self.groups.push(Group { any_of, gates: vec![] });
            self.groups.len() - 1
        });
        let numbers = Numbers {
            bytes_min: gate.bytes_min as usize,
            digits_min: gate.digits_min as usize,
            letters_min: gate.letters_min as usize,
        };
        let gates = &mut self.groups[index].gates;
        if !gates.contains(&numbers) {
            gates.push(numbers);
        }
        Some(())
    }

    /// Whether the detector must see the text. An empty text never passes.
    pub fn passes(&self, text: &[u8]) -> bool {
        let digits = LazyCell::new(|| count(text, u8::is_ascii_digit));
        let letters = LazyCell::new(|| count(text, u8::is_ascii_alphabetic));
        let opens = |gate: &Numbers| {
            text.len() >= gate.bytes_min
                && (gate.digits_min == 0 || *digits >= gate.digits_min)
                && (gate.letters_min == 0 || *letters >= gate.letters_min)
        };
        !text.is_empty()
            && self.groups.iter().any(|group| group.gates.iter().any(opens) && group.finds_any(text))
    }
}

impl Group {
    fn finds_any(&self, text: &[u8]) -> bool {
        self.any_of.is_empty() || self.any_of.iter().any(|character| memchr(*character, text).is_some())
    }
}

/// How many bytes are of the kind.
fn count(text: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    text.chunks(STRIDE)
        .map(|stretch| usize::from(stretch.iter().map(|byte| u8::from(is(byte))).sum::<u8>()))
        .sum()
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
    fn too_many_sets_are_refused() {
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
            padding in 0_usize..600,
        ) {
            let labels: Vec<Label> = gates.into_iter().map(label).collect();
            let set = GateSet::new(&labels).expect("few sets");
            let text = " ".repeat(padding) + &text;
            prop_assert_eq!(set.passes(text.as_bytes()), naive(&labels, text.as_bytes()));
        }
    }
}
