//! What psql printed for each file, and what of it counts: lines that two direct runs print alike.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How the line starts that Grille adds to an error it answers with itself: under a detail of the server's, or as the only one.
const CORRELATION_ID: [&[u8]; 2] = [b"Grille correlation id ", b"DETAIL:  Grille correlation id "];

/// What psql printed in one run, by test.
#[derive(Debug, Default)]
pub(crate) struct Outputs(BTreeMap<String, Vec<u8>>);

/// How the output through Grille compares with the direct one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// In every line that two direct runs print alike.
    Same,
    /// In so many lines it is not the same.
    Differs {
        /// Lines that only one of them has.
        lines: usize,
    },
    /// There is no output to compare, because the file did not come to its end.
    Missing,
}

impl Outputs {
    /// Adds what a test printed.
    pub(crate) fn insert(&mut self, test: &str, output: Vec<u8>) {
        self.0.insert(test.to_owned(), output);
    }

    /// How many files print what PostgreSQL's authors expect: shows that a direct run means something. They have
    /// alternatives for some (`NAME_1.out`), which are not looked at.
    pub(crate) fn as_authored(&self, source: &Path) -> usize {
        let expected = |test: &str| fs::read(source.join("expected").join(format!("{test}.out")));
        self.0.iter().filter(|(test, output)| expected(test).is_ok_and(|text| text == **output)).count()
    }

    /// Compares `through` with this run, of which `again` is a repetition.
    pub(crate) fn likeness(&self, again: &Self, through: &Self, test: &str) -> Likeness {
        match (self.0.get(test), again.0.get(test), through.0.get(test)) {
            (Some(first), Some(again), Some(through)) => likeness(first, again, through),
            (None, _, _) | (_, None, _) | (_, _, None) => Likeness::Missing,
        }
    }
}

fn likeness(first: &[u8], again: &[u8], through: &[u8]) -> Likeness {
    let [first, again, through] = [first, again, through].map(lines);
    let is_added = |line: &[u8]| CORRELATION_ID.iter().any(|start| line.starts_with(start));
    let through: Vec<&[u8]> = through.into_iter().filter(|line| !is_added(line)).collect();
    // Only where the two have as many lines is it known which line of one belongs to which of the other.
    let comparable = first.len() == again.len();
    let unstable = |at: usize| comparable && first[at] != again[at];
    if first.len() == through.len() {
        let differing = (0..first.len()).filter(|&at| first[at] != through[at] && !unstable(at)).count();
        return match differing {
            0 => Likeness::Same,
            lines => Likeness::Differs { lines },
        };
    }
    if !comparable && again.len() == through.len() {
        return likeness_to_one(&again, &through);
    }
    Likeness::Differs { lines: only_in_one(&first, &through) }
}

fn likeness_to_one(direct: &[&[u8]], through: &[&[u8]]) -> Likeness {
    match only_in_one(direct, through) {
        0 => Likeness::Same,
        lines => Likeness::Differs { lines },
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&byte| byte == b'\n').collect()
}

/// How many lines one text has that the other has not, whatever their order. At least one, for the texts differ.
fn only_in_one(left: &[&[u8]], right: &[&[u8]]) -> usize {
    let mut counts: BTreeMap<&[u8], i64> = BTreeMap::new();
    left.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    right.iter().for_each(|line| *counts.entry(line).or_default() -= 1);
    counts.values().map(|count| count.unsigned_abs() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first: &str, again: &str, through: &str, expected: Likeness) {
        let found = likeness(first.as_bytes(), again.as_bytes(), through.as_bytes());
        assert_eq!(found, expected, "{first:?} {again:?} {through:?}");
    }

    #[test]
    fn lines_that_direct_runs_print_alike_must_be_the_same() {
        check("a\nb", "a\nb", "a\nb", Likeness::Same);
        check("a\nb", "a\nb", "a\nc", Likeness::Differs { lines: 1 });
        check("a\nb", "a\nb", "a\nb\nc", Likeness::Differs { lines: 1 });
        check("a\nb", "a\nb", "c", Likeness::Differs { lines: 3 });
    }

    #[test]
    fn a_correlation_id_does_not_count() {
        check("a\nb", "a\nb", "a\nDETAIL:  Grille correlation id 0608f6f5-96.\nb", Likeness::Same);
        check("DETAIL:  a\nb", "DETAIL:  a\nb", "DETAIL:  a\nGrille correlation id 1-2.\nb", Likeness::Same);
        check("a\nb", "a\nb", "a\nDETAIL:  Something else\nb", Likeness::Differs { lines: 1 });
    }

    #[test]
    fn lines_that_direct_runs_print_differently_do_not_count() {
        check("a\npid 1\nb", "a\npid 2\nb", "a\npid 3\nb", Likeness::Same);
        check("a\npid 1\nb", "a\npid 2\nb", "a\npid 3\nc", Likeness::Differs { lines: 1 });
        check("a\npid 1", "a\npid 2", "a", Likeness::Differs { lines: 1 });
    }

    #[test]
    fn where_direct_runs_are_not_as_long_one_of_them_must_be_met() {
        check("a\nb", "a\nb\nb", "a\nb", Likeness::Same);
        check("a\nb", "a\nb\nb", "a\nb\nb", Likeness::Same);
        check("a\nb", "a\nb\nb", "a\nc", Likeness::Differs { lines: 1 });
        check("a\nb", "a\nb\nb", "a\nc\nd", Likeness::Differs { lines: 4 });
    }

    #[test]
    fn a_file_without_output_is_missing() {
        let mut some = Outputs::default();
        some.insert("t", b"a".to_vec());
        assert_eq!(some.likeness(&some, &some, "t"), Likeness::Same);
        assert_eq!(some.likeness(&some, &Outputs::default(), "t"), Likeness::Missing);
    }
}
