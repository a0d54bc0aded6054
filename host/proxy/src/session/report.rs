//! Errors, notices and notifications are a way for values to get out like any other: where a rule protects a column the
//! statement touches, their texts are withheld; what detectors find in the rest is treated.

use bytes::BytesMut;
use grille_core::{ExchangeId, Privilege, Treatment};
use grille_plugin::{ColumnTexts, FieldInfo, ResultScanner};
use grille_wire::postgres::value::{LeafFinding, Tokenizer, mask_text};
use grille_wire::postgres::{put_report, report_fields};
use tokio::task::block_in_place;
use tracing::warn;

use crate::generation::ArmedRole;
use crate::judge::Asker;
use crate::metrics::Metrics;

/// Field codes whose texts may quote data (manual, "Error and Notice Message Fields"): message, detail, hint, context,
/// internal query. The others are codes, positions, places in the server's source and names of objects.
const TEXTS: [u8; 5] = *b"MDHWq";

/// Messages that are always the same, whoever's fault they are.
const CONSTANT_MESSAGES: [&[u8]; 5] = [
    b"current transaction is aborted, commands ignored until end of transaction block",
    b"canceling statement due to user request",
    b"canceling statement due to statement timeout",
    b"canceling statement due to lock timeout",
    b"terminating connection due to administrator command",
];

const WITHHELD: &[u8] = b"withheld: it may quote protected columns";

/// Who looks at a report, and for whom.
pub(super) struct Reviewer<'r> {
    pub(super) role: &'r ArmedRole,
    pub(super) asker: &'r Asker,
    pub(super) exchange: ExchangeId,
    pub(super) tokens: &'r Tokenizer,
    pub(super) metrics: &'r Metrics,
    /// Whether its texts may quote a column that a rule protects.
    pub(super) touches_protected: bool,
}

/// Who sent a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The session, which has run nothing that could have put a protected value into it.
    Itself,
    /// Anyone, or nobody knows.
    Anyone,
}

impl Reviewer<'_> {
    /// What the client gets instead of an ErrorResponse or NoticeResponse; none when it may pass. Calls plugins: other
    /// sessions of this worker go on meanwhile.
    pub(super) fn review(&self, message: &[u8]) -> Option<BytesMut> {
        if (self.touches_protected && may_quote_rows(message))
            || (self.role.role.masks() && is_for_developers(message))
        {
            return Some(withhold(message));
        }
        if self.role.detectors.is_empty() {
            return None;
        }
        let fields: Vec<(u8, &[u8])> = report_fields(message).collect();
        let texts = fields.iter().filter(|(code, _)| TEXTS.contains(code)).map(|(_, text)| *text);
        let masked = self.mask(texts)?;
        let mut out = BytesMut::new();
        let mut masked = masked.iter();
        let rewritten = fields.iter().map(|(code, text)| {
            let text =
                if TEXTS.contains(code) { masked.next().map_or(*text, |text| text.as_bytes()) } else { text };
            (*code, text)
        });
        put_report(&mut out, message, rewritten);
        Some(out)
    }

    /// What the client gets instead of a notification's payload; none when it may pass. What others sent can have been made
    /// from any column.
    pub(super) fn review_payload(&self, payload: &[u8], sender: Sender) -> Option<String> {
        let is_withheld = match sender {
            Sender::Itself => false,
            Sender::Anyone => !self.role.role.privileges.contains(Privilege::NOTIFICATIONS),
        };
        if is_withheld && self.role.role.protects() {
            return Some(String::from_utf8_lossy(WITHHELD).into_owned());
        }
        if self.role.detectors.is_empty() {
            return None;
        }
        self.mask(std::iter::once(payload)).map(|masked| masked.concat())
    }

    /// The texts with what the detectors found in them treated; none when they found nothing. A text that is not UTF-8, or
    /// that no detector could look at, is withheld.
    fn mask<'t>(&self, texts: impl Iterator<Item = &'t [u8]>) -> Option<Vec<String>> {
        let mut column = ColumnTexts::new(0);
        let mut void = Vec::new();
        let mut whole = Vec::new();
        for (index, text) in texts.enumerate() {
            let text = std::str::from_utf8(text).unwrap_or_else(|_| {
                void.push(index);
                ""
            });
            column.push(text);
            whole.push(text);
        }
        let info = FieldInfo { name: String::new(), origin: String::new(), kind: "text".into() };
        let context = self.asker.context(self.exchange);
        let mut scanner = ResultScanner::new(&self.role.detectors, context, vec![info]);
        let gated = scanner.gate(std::slice::from_ref(&column));
        let scanned = if gated.calls_detectors() { block_in_place(|| gated.scan()) } else { gated.scan() };
        let findings = match scanned {
            Ok(findings) => findings,
            Err(failure) => {
                self.metrics.plugin_failed(&failure);
                warn!(plugin = %failure.plugin, failure = failure.event.in_our_words(), "detector failed: the upstream's message is withheld");
                return Some(whole.iter().map(|_| String::from_utf8_lossy(WITHHELD).into_owned()).collect());
            }
        };
        if findings.is_empty() && void.is_empty() {
            return None;
        }
        let masked = whole.iter().enumerate().map(|(index, text)| {
            if void.contains(&index) {
                return String::from_utf8_lossy(WITHHELD).into_owned();
            }
            let here: Vec<LeafFinding<'_>> = findings
                .iter()
                .filter(|finding| finding.text == index)
                .map(|finding| LeafFinding {
                    text: 0,
                    start: finding.start,
                    end: finding.end,
                    treatment: &Treatment::Redact,
                    replacement: None,
                })
                .collect();
            if here.is_empty() { (*text).to_owned() } else { mask_text(text, &here, self.tokens) }
        });
        Some(masked.collect())
    }
}

/// Messages of levels that a client gets only if it asks for them by `client_min_messages`: they tell of the server's own
/// doings, with plans and statements of functions among them.
fn is_for_developers(message: &[u8]) -> bool {
    let severity = report_fields(message).find(|(code, _)| *code == b'V').map(|(_, text)| text);
    severity.is_some_and(|severity| severity.starts_with(b"DEBUG") || severity == b"LOG")
}

/// Whether its texts can hold more than the statement and the server's own words. Errors of class 42 (syntax, unknown or
/// forbidden objects) that point into the statement were found before any row was read; the same class without a position
/// can come from a value, as in `value::regtype`.
fn may_quote_rows(message: &[u8]) -> bool {
    let field = |wanted: u8| report_fields(message).find(|(code, _)| *code == wanted).map(|(_, text)| text);
    let is_about_statement =
        field(b'C').is_some_and(|state| state.starts_with(b"42")) && field(b'P').is_some();
    let is_constant = field(b'M').is_some_and(|text| CONSTANT_MESSAGES.contains(&text));
    let says_more = b"DWq".iter().any(|code| field(*code).is_some());
    says_more || !(is_about_statement || is_constant)
}

/// Schema and name of the table that a report is about (manual, "Error and Notice Message Fields").
pub(super) fn table_of(message: &[u8]) -> Option<(String, String)> {
    let field = |wanted: u8| {
        let field = report_fields(message).find(|(code, _)| *code == wanted);
        field.map(|(_, text)| String::from_utf8_lossy(text).into_owned())
    };
    Some((field(b's')?, field(b't')?))
}

/// Keeps severity, SQLSTATE and places; the message says that it is not told.
fn withhold(message: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    let fields = report_fields(message).filter_map(|(code, text)| match code {
        b'M' => Some((code, WITHHELD)),
        code if TEXTS.contains(&code) => None,
        code => Some((code, text)),
    });
    put_report(&mut out, message, fields);
    out
}
