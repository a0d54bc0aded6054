//! Payment card numbers: issuer prefix, length, check digit.
//!
//! The number is ISO/IEC 7812-1 with the check digit of its annex B (Luhn; compared with python-stdnum's `luhn`). Prefixes
//! and lengths are those the networks publish for their issuer identification numbers.

use std::ops::Range;

use grille_sdk::Support;

use crate::boundary::{digits_end, is_separator, next_digits, number_begins, number_ends};

/// Digits of the shortest and the longest number.
const DIGITS_MIN: usize = 12;
/// See [`DIGITS_MIN`].
const DIGITS_MAX: usize = 19;

/// Group lengths as printed on cards, those first that begin like others.
const GROUPINGS: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];

/// What the numbers of one network look like.
struct Network {
    /// First and last prefix, as six digits.
    prefixes: (u32, u32),
    /// Fewest and most digits.
    lengths: (usize, usize),
}

const fn network(first: u32, last: u32, shortest: usize, longest: usize) -> Network {
    Network { prefixes: (first, last), lengths: (shortest, longest) }
}

/// Longest lengths are those issued, not those a network reserves.
const NETWORKS: [Network; 24] = [
    network(400_000, 499_999, 13, 13), // Visa before 2006
    network(400_000, 499_999, 16, 16), // Visa
    network(400_000, 499_999, 19, 19), // Visa
    network(510_000, 559_999, 16, 16), // Mastercard
    network(222_100, 272_099, 16, 16), // Mastercard since 2017
    network(340_000, 349_999, 15, 15), // American Express
    network(370_000, 379_999, 15, 15), // American Express
    network(601_100, 601_199, 16, 19), // Discover
    network(644_000, 659_999, 16, 19), // Discover, RuPay, Troy
    network(300_000, 305_999, 14, 19), // Diners Club
    network(309_500, 309_599, 14, 19), // Diners Club
    network(360_000, 369_999, 14, 19), // Diners Club
    network(380_000, 399_999, 14, 19), // Diners Club
    network(352_800, 358_999, 16, 19), // JCB
    network(620_000, 629_999, 16, 19), // UnionPay
    network(810_000, 829_999, 16, 19), // UnionPay, RuPay
    network(508_500, 508_999, 16, 16), // RuPay
    network(606_985, 607_984, 16, 16), // RuPay
    network(220_000, 220_499, 16, 19), // Mir
    network(501_800, 501_899, 12, 19), // Maestro
    network(502_000, 503_899, 12, 19), // Maestro
    network(589_300, 589_399, 12, 19), // Maestro
    network(630_400, 630_499, 12, 19), // Maestro
    network(675_900, 676_399, 12, 19), // Maestro
];

/// Reports every number in the text, written together or in the usual groups with one kind of separator.
pub(crate) fn scan(text: &str, mut found: impl FnMut(Range<usize>, Support)) {
    let mut at = 0;
    while let Some((start, run_end)) = next_digits(text.as_bytes(), at) {
        at = run_end;
        if !number_begins(text, start) {
            continue;
        }
        if let Some(end) = grouped_end(text, start) {
            found(start..end, Support::CHECKED | Support::SEPARATED);
            at = end;
        } else if number_ends(text, run_end) && is_card(text[start..run_end].bytes()) {
            found(start..run_end, Support::CHECKED);
        }
    }
}

/// Where a grouped number that begins at `start` ends.
fn grouped_end(text: &str, start: usize) -> Option<usize> {
    GROUPINGS.iter().find_map(|grouping| {
        let end = groups_end(text, start, grouping)?;
        let digits = text[start..end].bytes().filter(u8::is_ascii_digit);
        (number_ends(text, end) && is_card(digits)).then_some(end)
    })
}

/// Where groups of these lengths end, if they stand here with the same separator between them.
fn groups_end(text: &str, start: usize, grouping: &[usize]) -> Option<usize> {
    let mut separator = None;
    let mut at = start;
    for (index, length) in grouping.iter().enumerate() {
        if index > 0 {
            let c = text[at..].chars().next().filter(|c| is_separator(*c))?;
            if *separator.get_or_insert(c) != c {
                return None;
            }
            at += c.len_utf8();
        }
        let end = digits_end(text.as_bytes(), at);
        if end - at != *length {
            return None;
        }
        at = end;
    }
    Some(at)
}

fn is_card(digits: impl Iterator<Item = u8>) -> bool {
    let mut number = [0; DIGITS_MAX];
    let mut length = 0;
    for digit in digits {
        let Some(slot) = number.get_mut(length) else { return false };
        *slot = digit - b'0';
        length += 1;
    }
    let number = &number[..length];
    length >= DIGITS_MIN && is_issued(number) && !is_repeated(number) && passes_luhn(number)
}

fn is_issued(number: &[u8]) -> bool {
    let prefix = number.iter().take(6).fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
    NETWORKS.iter().any(|network| {
        let (first, last) = network.prefixes;
        let (shortest, longest) = network.lengths;
        (first..=last).contains(&prefix) && (shortest..=longest).contains(&number.len())
    })
}

/// One digit over and over, perhaps but for the check digit, is a placeholder.
fn is_repeated(number: &[u8]) -> bool {
    number[..number.len() - 1].windows(2).all(|pair| pair[0] == pair[1])
}

fn passes_luhn(number: &[u8]) -> bool {
    let sum: u32 = number
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 % 10 + digit / 5,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    fn found(text: &str) -> Vec<(&str, Support)> {
        let mut found = Vec::new();
        scan(text, |range, support| found.push((&text[range], support)));
        found
    }

    #[test]
    fn numbers_that_break_a_rule_are_not_found() {
        let check = |text: &str| assert_eq!(found(text), [], "{text}");
        check("4111111111111112"); // check digit
        check("411111111111111"); // length
        check("41111111111111111111");
        check("1111111111111117"); // no such issuer
        check("9999999999999995");
        check("4444444444444448"); // placeholder
        check("0.4111111111111111"); // fraction
        check("4111111111111111.5");
        check("a4111111111111111"); // part of a word
        check("4111111111111111b");
        check("+4111111111111111"); // phone
        check("12-4111-1111-1111-1111");
        check("4111-1111-1111-1111-12");
        check("4111 1111-1111 1111"); // mixed separators
        check("41 11 11 11 11 11 11 11");
        check("4111  1111  1111  1111");
        check("");
    }

    #[test]
    fn test_numbers_of_the_networks_are_found() {
        let check = |text: &str, support| assert_eq!(found(text), [(text, support)]);
        for bare in [
            "4111111111111111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "3566002020360505",
            "6200000000000005",
            "6759649826438453",
            "2201382000000013",
        ] {
            check(bare, Support::CHECKED);
        }
        let separated = Support::CHECKED | Support::SEPARATED;
        for grouped in [
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111.1111.1111.1111",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "3782 822463 10005",
            "3056 930902 5904",
        ] {
            check(grouped, separated);
        }
    }

    #[test]
    fn a_number_in_a_text_is_found() {
        let check = |text: &str, expected: &str| assert_eq!(found(text)[0].0, expected, "{text}");
        check("Visa 4111 1111 1111 1111 123 exp 12/27", "4111 1111 1111 1111");
        check("2 x 4111 1111 1111 1111.", "4111 1111 1111 1111");
        check("12 4111 1111 1111 1111", "4111 1111 1111 1111");
        check("card-4111-1111-1111-1111", "4111-1111-1111-1111");
        check("1,4111111111111111,Ann", "4111111111111111");
        check("{\"pan\":4111111111111111}", "4111111111111111");
        check("卡号4111111111111111。", "4111111111111111");
    }

    /// The share of random 16-digit numbers that pass is what plugin.toml declares: a tenth of them for the check digit,
    /// times .293 for the prefixes of NETWORKS that have 16 digits.
    #[test]
    fn the_declared_chance_is_the_measured_one() {
        let mut sample = Sample::new(16);
        let passed = (0..200_000).filter(|_| is_card(sample.digits(16).bytes())).count();
        assert!((0.0283..0.0303).contains(&(passed as f64 / 200_000.0)), "{passed}");
    }
}
