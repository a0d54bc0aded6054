//! `interval`: microseconds, days and months apart.
//!
//! Text is read in the default IntervalStyle (`1 year 2 mons -3 days 04:05:06.7`); a value in another style has a constant
//! put in its place. What is written is read under every style.

use super::datetime::{keyed_clock, parse_fraction, written_clock};
use super::scalar::Scalar;
use super::token::{Domain, Tokenizer};

const MICROS_A_SECOND: i64 = 1_000_000;

/// A value of type `interval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    micros: i64,
    days: i32,
    months: i32,
}

impl Interval {
    fn with_part(mut self, count: &str, unit: &str) -> Option<Self> {
        let count: i32 = count.parse().ok()?;
        match unit {
            "year" | "years" => self.months = self.months.checked_add(count.checked_mul(12)?)?,
            "mon" | "mons" => self.months = self.months.checked_add(count)?,
            "day" | "days" => self.days = self.days.checked_add(count)?,
            _ => return None,
        }
        Some(self)
    }
}

impl Scalar for Interval {
    const HAS_STYLES: bool = true;

    fn from_text(text: &str) -> Option<Self> {
        let mut value = Self::default();
        let mut words = text.split(' ');
        while let Some(word) = words.next() {
            if word.contains(':') {
                value.micros = parse_hours(word)?;
                return words.next().is_none().then_some(value);
            }
            value = value.with_part(word, words.next()?)?;
        }
        Some(value)
    }

    fn from_binary(bytes: &[u8]) -> Option<Self> {
        let (micros, rest) = bytes.split_first_chunk::<8>()?;
        let (days, months) = rest.split_first_chunk::<4>()?;
        Some(Self {
            micros: i64::from_be_bytes(*micros),
            days: i32::from_be_bytes(*days),
            months: i32::from_be_bytes(months.try_into().ok()?),
        })
    }

    fn surrogate(_typmod: i32) -> Self {
        Self::default()
    }

    fn tokenised(&self, tokens: &Tokenizer) -> Self {
        let mut value = Vec::new();
        self.write_binary(&mut value);
        Self { micros: keyed_clock(Domain::Interval, &value, self.micros, tokens), days: 0, months: 0 }
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        let part = |count: i32, unit: &str| match count {
            0 => String::new(),
            _ => format!("{count} {unit} "),
        };
        let sign = if self.micros < 0 { "-" } else { "" };
        // The most negative count of microseconds has no positive one: it is one short.
        let clock = written_clock(self.micros.checked_abs().unwrap_or(i64::MAX));
        let text = format!("{}{}{sign}{clock}", part(self.months, "mons"), part(self.days, "days"));
        out.extend_from_slice(text.as_bytes());
    }

    fn write_binary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.micros.to_be_bytes());
        out.extend_from_slice(&self.days.to_be_bytes());
        out.extend_from_slice(&self.months.to_be_bytes());
    }
}

/// `[+-]H…H:MM:SS[.ffffff]` as microseconds.
fn parse_hours(text: &str) -> Option<i64> {
    let (sign, clock) = match text.split_at_checked(1)? {
        ("-", clock) => (-1, clock),
        ("+", clock) => (1, clock),
        _ => (1, text),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<u32>().ok().map(i64::from));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || minutes > 59 || seconds > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60 + seconds;
    seconds.checked_mul(MICROS_A_SECOND)?.checked_add(parse_fraction(fraction)?)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_style_is_read() {
        let check = |text: &str, months, days, micros| {
            assert_eq!(Interval::from_text(text), Some(Interval { micros, days, months }), "{text}");
        };
        check("00:00:00", 0, 0, 0);
        check("1 year 2 mons 3 days 04:05:06.7", 14, 3, 14_706_700_000);
        check("-1 years -2 mons +3 days -04:05:06", -14, 3, -14_706_000_000);
        check("1 day", 0, 1, 0);
        check("100:00:00", 0, 0, 360_000_000_000);
    }

    #[test]
    fn other_styles_are_not_read() {
        for text in
            ["P1Y2M3DT4H5M6S", "@ 1 year 2 mons", "1-2 3 4:05", "1 year 2", "04:05:06 1 day", "é:00:00"]
        {
            assert_eq!(Interval::from_text(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in -3_600_000_000_000_000..3_600_000_000_000_000_i64, days: i32, months: i32) {
            let value = Interval { micros, days, months };
            let mut out = Vec::new();
            value.write_text(&mut out);
            let text = String::from_utf8(out).expect("ASCII");
            prop_assert_eq!(Interval::from_text(&text), Some(value));
        }
    }
}
