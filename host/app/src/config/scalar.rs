//! Durations and sizes as operators write them: `30s`, `64MiB`. One way to write each unit, no arithmetic.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period(pub(crate) Duration);

/// An amount of memory or disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) usize);

/// Units of time and their milliseconds, the largest first.
const PERIOD_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of size and their bytes, the largest first.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A text that is not a length of time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write a whole number and ms, s, m or h, such as \"30s\"")]
pub(crate) struct NotAPeriod(String);

/// A text that is not a size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write a whole number and B, KiB, MiB or GiB, such as \"64MiB\"")]
pub(crate) struct NotASize(String);

/// The number times its unit; `None` if the text is something else or too large.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

/// The number in the largest unit that divides it.
fn write_scaled(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    match units.iter().find(|(_, scale)| number.is_multiple_of(*scale) && number >= *scale) {
        Some((unit, scale)) => write!(f, "{}{unit}", number / scale),
        None => write!(f, "0{}", units.last().map_or("", |(unit, _)| unit)),
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let milliseconds = scaled(text, &PERIOD_UNITS).ok_or_else(|| NotAPeriod(text.to_owned()))?;
        Ok(Self(Duration::from_millis(milliseconds)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &PERIOD_UNITS)
    }
}

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let bytes = scaled(text, &SIZE_UNITS).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| NotASize(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0 as u64, &SIZE_UNITS)
    }
}

/// Reads and writes a type as the text it displays as.
macro_rules! as_text {
    ($name:ident, $title:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "title": $title, "pattern": $pattern })
            }
        }
    };
}

as_text!(Period, "duration", "^[0-9]+(ms|s|m|h)$");
as_text!(ByteSize, "size", "^[0-9]+(B|KiB|MiB|GiB)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        let check = |text: &str, expected: Option<u64>| {
            let found = text.parse::<Period>().ok();
            assert_eq!(found, expected.map(|ms| Period(Duration::from_millis(ms))), "{text}");
        };
        check("250ms", Some(250));
        check("30s", Some(30_000));
        check("5m", Some(300_000));
        check("2h", Some(7_200_000));
        check("0s", Some(0));
        for wrong in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1S",
            "1d",
            "18446744073709551615h",
            "99999999999999999999s",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<usize>| {
            assert_eq!(text.parse::<ByteSize>().ok(), expected.map(ByteSize), "{text}");
        };
        check("1B", Some(1));
        check("64MiB", Some(64 << 20));
        check("1GiB", Some(1 << 30));
        for wrong in ["", "64", "64MB", "64mib", "-1B", "1.5GiB", "18446744073709551615GiB"] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["0ms", "250ms", "90s", "5m", "2h"] {
            assert_eq!(text.parse::<Period>().map(|period| period.to_string()).as_deref(), Ok(text));
        }
        for text in ["0B", "1000B", "1KiB", "64MiB", "3GiB"] {
            assert_eq!(text.parse::<ByteSize>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
    }
}
