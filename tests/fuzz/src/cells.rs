//! Generator of result cells of every built-in type, and the oracle of masking: what was planted and found is gone.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use grille_core::Treatment;
use grille_wire::postgres::Format;
use grille_wire::postgres::value::{Column, LeafFinding, Masked, Tokenizer};
use grille_wire::sql::TextEncoding;

/// What is planted. Longer than what keep-last may keep, without a character that any format escapes, and no plain name, so
/// that it is treated as a key of a JSON document too.
const PLANTED: &str = "Kanarienvogel@voliere.example.org";

/// Of that, what keep-last never keeps.
const PLANTED_START: &str = "Kanarienvogel@vol";

/// Built-in types (`pg_type.dat`), scalar and array, and one that is not.
const OIDS: [u32; 70] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 199, 143, 600, 650, 651, 700, 701, 705, 774, 775, 790, 791,
    829, 869, 1000, 1001, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1040, 1041, 1042,
    1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184, 1185, 1186, 1187, 1231, 1266, 1270, 1560, 1561, 1562,
    1563, 1700, 2249, 2950, 2951, 3802, 3807, 3904, 3614, 4072, 2275, 16_385,
];

/// `money` and its array. What stands around an amount's digits is the server's choice (`lc_monetary`) and stays.
const MONEY: [u32; 2] = [790, 791];

/// A cell, and what is done to it.
#[derive(Debug)]
pub struct Case {
    type_oid: u32,
    column: Column,
    cell: Vec<u8>,
    treatment: Treatment,
    findings: Vec<Found>,
}

#[derive(Arbitrary, Debug)]
struct Found {
    text: u8,
    start: u8,
    end: u8,
    replacement: Option<String>,
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let format = if input.arbitrary()? { Format::Binary } else { Format::Text };
        let typmod = *input.choose(&[-1, 4, 5, 16, 36, 68, 655_366, i32::MAX])?;
        let type_oid = *input.choose(&OIDS)?;
        let mut column = Column::new(type_oid, typmod, format);
        if input.ratio(1, 4)? {
            let name =
                input.choose(&["LATIN1", "SJIS", "EUC_JP", "GB18030", "SQL_ASCII", "no such encoding"])?;
            column = column.in_encoding(Arc::new(TextEncoding::new(name)));
        }
        let treatment = treatment(input)?;
        let findings = input.arbitrary_iter()?.take(4).collect::<Result<_, _>>()?;
        Ok(Self { type_oid, column, treatment, findings, cell: cell(input)? })
    }
}

fn treatment(input: &mut Unstructured<'_>) -> arbitrary::Result<Treatment> {
    Ok(match input.int_in_range(0..=5)? {
        0 => Treatment::Null,
        1 => Treatment::Redact,
        2 => Treatment::KeepLast(input.int_in_range(1..=16)?),
        3 => Treatment::Token,
        4 => Treatment::Plugin("p".to_owned()),
        _ => Treatment::Keep,
    })
}

/// Bytes as they come, in which every `@` stands for what is planted.
fn cell(input: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let bytes = input.bytes(input.len())?;
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'@').collect();
    Ok(parts.join(PLANTED.as_bytes()))
}

fn holds_planted(bytes: &[u8]) -> bool {
    bytes.windows(PLANTED_START.len()).any(|window| window == PLANTED_START.as_bytes())
}

impl Case {
    /// Reads and masks the cell in every way.
    ///
    /// # Panics
    /// When what is planted outlives a treatment.
    pub fn check(&self) {
        let tokens = Tokenizer::new(&[7; 32]).expect("long enough");
        let _ = self.column.values(&self.cell, &mut |_| {});
        self.check_whole(&tokens);
        self.check_found(&tokens);
        self.check_stray(&tokens);
    }

    /// Treated as a whole, nothing of it stays.
    fn check_whole(&self, tokens: &Tokenizer) {
        let mut out = b"before".to_vec();
        let treated = self.column.treat_whole(&self.cell, &self.treatment, tokens, &mut out);
        self.check_output(&out, treated == Ok(Masked::Value));
        let keeps = self.treatment == Treatment::Keep || MONEY.contains(&self.type_oid);
        assert!(
            keeps || !holds_planted(&out),
            "treated whole: {self:?} to {:?}",
            out.escape_ascii().to_string()
        );
    }

    /// Treated where a detector finds it, nothing of it stays.
    fn check_found(&self, tokens: &Tokenizer) {
        let mut texts = Vec::new();
        if self.column.texts(&self.cell, &mut |text| texts.push(text.to_owned())).is_err() {
            return;
        }
        let found = |(index, text): (usize, &String)| -> Vec<(usize, usize, usize)> {
            text.match_indices(PLANTED).map(|(at, planted)| (index, at, at + planted.len())).collect()
        };
        let spans: Vec<_> = texts.iter().enumerate().flat_map(found).collect();
        let treatment = &self.treatment;
        let findings = spans.iter().map(|&(text, start, end)| LeafFinding {
            text,
            start,
            end,
            treatment,
            replacement: None,
        });
        let findings: Vec<LeafFinding<'_>> = findings.collect();
        let mut out = b"before".to_vec();
        let replaced = self.column.replace(&self.cell, &findings, tokens, &mut out);
        self.check_output(&out, replaced == Ok(Masked::Value));
        assert!(replaced.is_ok(), "texts were read and cannot be replaced: {self:?}");
        if replaced != Ok(Masked::Value) {
            return;
        }
        // As a reader of the column understands it: in another encoding, the same bytes can be other characters.
        let mut masked = Vec::new();
        let read = self.column.texts(&out[b"before".len()..], &mut |text| masked.push(text.to_owned()));
        assert!(
            read.is_ok(),
            "masked, it is no value of the type: {self:?} to {:?}",
            out.escape_ascii().to_string()
        );
        // A text that only begins like it was not found.
        let starts = |text: &String| text.matches(PLANTED_START).count();
        let found_all = texts.iter().all(|text| text.matches(PLANTED).count() == starts(text));
        let treats = *treatment != Treatment::Keep && self.column.is_scanned();
        let leaks = treats && found_all && masked.iter().any(|text| starts(text) > 0);
        assert!(!leaks, "found: {self:?} to {:?}", out.escape_ascii().to_string());
    }

    /// Findings that may be wrong in any way break nothing.
    fn check_stray(&self, tokens: &Tokenizer) {
        let findings = self.findings.iter().map(|found| LeafFinding {
            text: usize::from(found.text % 4),
            start: found.start.into(),
            end: found.end.into(),
            treatment: &self.treatment,
            replacement: found.replacement.as_deref(),
        });
        let findings: Vec<LeafFinding<'_>> = findings.collect();
        let mut out = b"before".to_vec();
        let replaced = self.column.replace(&self.cell, &findings, tokens, &mut out);
        self.check_output(&out, replaced == Ok(Masked::Value));
    }

    /// Output is appended to, and only when there is a value.
    fn check_output(&self, out: &[u8], has_value: bool) {
        assert!(out.starts_with(b"before"), "what stood in the output is gone: {self:?}");
        assert!(has_value || out == b"before", "no value, yet bytes: {self:?}");
    }
}
