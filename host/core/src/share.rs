//! A share of principals: to how many of them a candidate speaks. Who is among them is the data plane's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A share of all principals, in hundredths of a percent. Written `10%`, `0.5%`, `12.34%`, also when serialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(u16);

/// A text that is no share: the fault of who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a share: write a percentage from 0% to 100% with at most two decimals, such as 10% or 0.5%"
)]
pub struct NotAShare(String);

/// Longest text that is read, in bytes: `100.00%`.
const TEXT_BYTES_MAX: usize = 7;

impl Share {
    /// How many parts make up all principals.
    pub const PARTS: u16 = 10_000;
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(Self::PARTS);

    /// So many of [`Share::PARTS`]; more than all of them are no share.
    pub fn of_parts(parts: u16) -> Option<Self> {
        (parts <= Self::PARTS).then_some(Self(parts))
    }

    /// So many percent; more than 100 are no share.
    pub fn of_percent(percent: u8) -> Option<Self> {
        Self::of_parts(u16::from(percent) * 100)
    }

    /// How many of [`Share::PARTS`] it has.
    pub fn parts(self) -> u16 {
        self.0
    }

    /// Whether who stands at that place, from 0 to [`Share::PARTS`] - 1, is in it.
    pub fn covers(self, place: u16) -> bool {
        place < self.0
    }
}

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        parts(text).and_then(Self::of_parts).ok_or_else(|| NotAShare(text.chars().take(32).collect()))
    }
}

fn parts(text: &str) -> Option<u16> {
    let number = Some(text).filter(|text| text.len() <= TEXT_BYTES_MAX)?.strip_suffix('%')?;
    let (whole, decimals) = number.split_once('.').map_or((number, None), |(w, d)| (w, Some(d)));
    let hundredths = match decimals.map(|decimals| (decimals.len(), digits(decimals))) {
        None => 0,
        Some((1, Some(tenths))) => tenths * 10,
        Some((2, Some(hundredths))) => hundredths,
        Some(_) => return None,
    };
    digits(whole)?.checked_mul(100)?.checked_add(hundredths)
}

/// Unlike `parse`, takes no sign.
fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (percent, 0) => write!(f, "{percent}%"),
            (percent, rest) if rest % 10 == 0 => write!(f, "{percent}.{}%", rest / 10),
            (percent, rest) => write!(f, "{percent}.{rest:02}%"),
        }
    }
}

impl TryFrom<String> for Share {
    type Error = NotAShare;

    fn try_from(text: String) -> Result<Self, NotAShare> {
        text.parse()
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_percentage_is_no_share() {
        for text in [
            "", "%", "10", "10.%", ".5%", "10.123%", "-1%", "+1%", "1 %", "100.01%", "101%", "1e1%", "१%",
            "999999%", "65536%", "655.36%",
        ] {
            assert_eq!(text.parse::<Share>(), Err(NotAShare(text.to_owned())), "{text}");
        }
        assert_eq!(Share::of_parts(10_001), None);
        assert_eq!(Share::of_percent(101), None);
        assert!(serde_json::from_str::<Share>("\"200%\"").is_err());
    }

    #[test]
    fn a_percentage_is_so_many_parts() {
        let check = |text: &str, parts| assert_eq!(text.parse::<Share>().unwrap().parts(), parts, "{text}");
        check("0%", 0);
        check("0.01%", 1);
        check("0.5%", 50);
        check("10%", 1_000);
        check("010%", 1_000);
        check("12.34%", 1_234);
        check("100.00%", 10_000);
        assert_eq!(Share::of_percent(10), Some("10%".parse().unwrap()));
    }

    #[test]
    fn nobody_is_in_none_and_everybody_in_all() {
        for place in [0, 1, 5_000, 9_999] {
            assert!(!Share::NONE.covers(place) && Share::ALL.covers(place), "{place}");
        }
        let tenth = Share::of_percent(10).unwrap();
        assert!(tenth.covers(999) && !tenth.covers(1_000));
    }

    proptest! {
        #[test]
        fn it_is_written_as_it_is_read(parts in 0..=Share::PARTS) {
            let share = Share::of_parts(parts).unwrap();
            prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
            let json = serde_json::to_string(&share).unwrap();
            prop_assert_eq!(serde_json::from_str::<Share>(&json).unwrap(), share);
        }
    }
}
