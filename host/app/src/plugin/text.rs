//! Numbers and foreign text as people read them.

use std::time::Duration;

use grille_core::untrusted::clean_text;

/// Longest text of a plugin or of data that a line shows, in bytes.
const SHOWN_BYTES_MAX: usize = 120;

/// Text from a plugin or from data, without control characters and cut.
pub(super) fn shown(text: &str) -> String {
    clean_text(text, SHOWN_BYTES_MAX)
}

/// A whole number with its thousands apart.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// A number and its noun, which takes an s where there is not one.
pub(super) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A time in the unit that suits it.
pub(super) fn time(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    match nanoseconds {
        0..10_000 => format!("{nanoseconds} ns"),
        10_000..10_000_000 => format!("{:.1} µs", time.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", time.as_secs_f64() * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!(
            (counted(1, "vector"), counted(1200, "byte")),
            ("1 vector".to_owned(), "1,200 bytes".to_owned())
        );
        for (nanoseconds, expected) in [(950, "950 ns"), (25_400, "25.4 µs"), (12_000_000, "12.0 ms")] {
            assert_eq!(time(Duration::from_nanos(nanoseconds)), expected);
        }
    }
}
