//! The kinds of personal data, and what is known of each apart from how it is found. `plugin.toml` lists the same kinds in
//! the same order, with gates that ask for no more than [`Kind::may_be_in`] does.

use std::ops::Range;

use grille_sdk::{Label, Support};
use serde::Deserialize;

use crate::census::Census;
use crate::{card, context, email, iban, phone, ssn};

/// A kind of personal data; its number is the label's.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Kind {
    /// E-mail address.
    EmailAddress,
    /// Payment card number.
    CreditCard,
    /// International bank account number.
    IbanCode,
    /// US social security number.
    UsSsn,
    /// Telephone number.
    PhoneNumber,
}

impl Kind {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 5] =
        [Self::EmailAddress, Self::CreditCard, Self::IbanCode, Self::UsSsn, Self::PhoneNumber];

    /// The index in `plugin.toml`.
    pub(crate) fn label(self) -> Label {
        Label(self as u32)
    }

    /// Whether a text of that make could hold one.
    pub(crate) fn may_be_in(self, census: &Census) -> bool {
        match self {
            Self::EmailAddress => census.ats > 0,
            Self::CreditCard => census.digits_together >= 12,
            Self::IbanCode => census.digits >= 8 && census.letters >= 2,
            Self::UsSsn => census.digits_together >= 9,
            Self::PhoneNumber => {
                census.digits_together >= 9 || census.digits_together >= 8 && census.pluses > 0
            }
        }
    }

    /// Reports every one in the text.
    pub(crate) fn scan(self, text: &str, found: impl FnMut(Range<usize>, Support)) {
        match self {
            Self::EmailAddress => email::scan(text, found),
            Self::CreditCard => card::scan(text, found),
            Self::IbanCode => iban::scan(text, found),
            Self::UsSsn => ssn::scan(text, found),
            Self::PhoneNumber => phone::scan(text, found),
        }
    }

    /// The support, with context if a word beside the place speaks for the kind.
    pub(crate) fn with_context(self, text: &str, place: &Range<usize>, support: Support) -> Support {
        if context::stands_beside(text, place, self.context_words()) {
            support | Support::CONTEXT
        } else {
            support
        }
    }

    /// Of two kinds that meet on one value the one with the higher score stands, so the order is: what has a check that
    /// chance hardly passes, then what was written in its usual form, then the rest.
    pub(crate) fn score(self, support: Support) -> u32 {
        let base = match self {
            Self::EmailAddress | Self::IbanCode => 940,
            Self::CreditCard => 600,
            Self::UsSsn => 350,
            Self::PhoneNumber => 300,
        };
        let separated = if base < 900 && support.contains(Support::SEPARATED) { 300 } else { 0 };
        let context = if support.contains(Support::CONTEXT) { 60 } else { 0 };
        base + separated + context
    }

    /// Lower case, whole words.
    fn context_words(self) -> &'static [&'static str] {
        match self {
            Self::EmailAddress => &["email", "mail", "contact", "correo", "courriel"],
            Self::CreditCard => &[
                "card",
                "cards",
                "credit",
                "debit",
                "visa",
                "mastercard",
                "amex",
                "discover",
                "cc",
                "pan",
                "payment",
                "karte",
                "kreditkarte",
                "carte",
                "tarjeta",
            ],
            Self::IbanCode => &["iban", "account", "bank", "konto", "compte", "cuenta", "conto"],
            Self::UsSsn => &["ssn", "ssns", "social", "security"],
            Self::PhoneNumber => &[
                "phone",
                "tel",
                "telephone",
                "mobile",
                "cell",
                "fax",
                "call",
                "sms",
                "whatsapp",
                "telefon",
                "handy",
                "téléphone",
                "teléfono",
                "telefono",
                "móvil",
            ],
        }
    }
}
