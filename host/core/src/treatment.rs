//! What is done to sensitive data.

use std::fmt;

/// What is done to a sensitive value. Whatever it is, the result is valid for the column's type (`grille_wire`'s value
/// module says how); where that is not possible the value becomes NULL or the statement is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// Left as it is.
    Keep,
    /// The whole value becomes NULL.
    Null,
    /// Replaced by a fixed text, or by the type's default value.
    Redact,
    /// All letters and digits but the last `n` become `*` (digits become 0 in numbers). A value of `n` or fewer is
    /// tokenised instead: it is never passed through.
    KeepLast(u8),
    /// Replaced by a keyed token: the same value gives the same token under the same key, so that joins and counts still
    /// work. HMAC-SHA-256.
    Token,
    /// Given to a masker plugin.
    Plugin(String),
}

impl Treatment {
    /// How much the treatment hides, for choosing between two that meet on one value: the greater wins.
    pub fn strictness(&self) -> u8 {
        match self {
            Self::Keep => 0,
            Self::KeepLast(_) => 1,
            Self::Plugin(_) => 2,
            Self::Token => 3,
            Self::Redact => 4,
            Self::Null => 5,
        }
    }
}

impl std::str::FromStr for Treatment {
    type Err = UnknownTreatment;

    /// `keep`, `null`, `redact`, `keep-last:4`, `token`, `plugin:NAME`.
    fn from_str(text: &str) -> Result<Self, UnknownTreatment> {
        let unknown = || UnknownTreatment { text: text.to_owned() };
        match text.split_once(':') {
            None => match text {
                "keep" => Ok(Self::Keep),
                "null" => Ok(Self::Null),
                "redact" => Ok(Self::Redact),
                "token" => Ok(Self::Token),
                _ => Err(unknown()),
            },
            Some(("keep-last", n)) => match n.parse() {
                Ok(n @ 1..=16) => Ok(Self::KeepLast(n)),
                _ => Err(unknown()),
            },
            Some(("plugin", name)) if !name.is_empty() => Ok(Self::Plugin(name.to_owned())),
            Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Null => f.write_str("null"),
            Self::Redact => f.write_str("redact"),
            Self::KeepLast(n) => write!(f, "keep-last:{n}"),
            Self::Token => f.write_str("token"),
            Self::Plugin(name) => write!(f, "plugin:{name}"),
        }
    }
}

/// A treatment that is not one of those there are.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a treatment: use keep, null, redact, keep-last:N with N from 1 to 16, token, or plugin:NAME"
)]
pub struct UnknownTreatment {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_treatment_reads_back_what_it_prints() {
        for treatment in [
            Treatment::Keep,
            Treatment::Null,
            Treatment::Redact,
            Treatment::KeepLast(4),
            Treatment::Token,
            Treatment::Plugin("rot".into()),
        ] {
            assert_eq!(treatment.to_string().parse(), Ok(treatment));
        }
    }

    #[test]
    fn what_is_no_treatment_is_refused() {
        for text in
            ["", "hash", "keep-last", "keep-last:0", "keep-last:17", "keep-last:x", "plugin:", "token:"]
        {
            assert!(text.parse::<Treatment>().is_err(), "{text}");
        }
    }
}
