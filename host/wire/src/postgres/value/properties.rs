//! What must hold of every type, format and treatment: hostile cells break nothing, formats agree, what was found is gone.

use grille_core::Treatment;
use proptest::prelude::*;

use super::oid::{self, Family, Known};
use super::scalar::Scalar;
use super::*;

fn tokens() -> Tokenizer {
    Tokenizer::new(&[1; 32]).expect("long enough")
}

fn treatments() -> impl Strategy<Value = Treatment> {
    prop_oneof![
        Just(Treatment::Keep),
        Just(Treatment::Null),
        Just(Treatment::Redact),
        (1..=16_u8).prop_map(Treatment::KeepLast),
        Just(Treatment::Token),
        Just(Treatment::Plugin("p".into())),
    ]
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Text), Just(Format::Binary)]
}

/// Every type of the table, and one that is not in it.
fn oids() -> impl Strategy<Value = u32> {
    prop::sample::select(oid::all().chain([16_385]).collect::<Vec<_>>())
}

/// Bytes with a liking for what means something in some type.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => any::<u8>(),
        4 => prop::sample::select(b"\0\x01\x02\x03\x19\xff{}[]\"\\,:+-./ 0123456789eNULLxt".to_vec()),
    ];
    prop::collection::vec(byte, 0..48)
}

/// A type, and texts that the server sends for values of it.
fn values() -> impl Strategy<Value = (u32, String)> {
    let date = (1..9999_i32, 1..13, 1..29).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let clock = (0..24, 0..60, 0..60, 0..9).prop_map(|(h, m, s, f)| match f {
        0 => format!("{h:02}:{m:02}:{s:02}"),
        f => format!("{h:02}:{m:02}:{s:02}.{f}"),
    });
    let moment = (date.clone(), clock.clone()).prop_map(|(date, clock)| format!("{date} {clock}"));
    let of = |oid: u32, text: BoxedStrategy<String>| text.prop_map(move |text| (oid, text)).boxed();
    prop_oneof![
        of(16, "[tf]".boxed()),
        of(17, "\\\\x([0-9a-f]{2}){0,20}".boxed()),
        of(18, "[a-z]".boxed()),
        of(19, "[a-z_]{1,63}".boxed()),
        of(20, any::<i64>().prop_map(|n| n.to_string()).boxed()),
        of(21, any::<i16>().prop_map(|n| n.to_string()).boxed()),
        of(23, any::<i32>().prop_map(|n| n.to_string()).boxed()),
        of(25, "[^\0]{0,40}".boxed()),
        of(26, any::<u32>().prop_map(|n| n.to_string()).boxed()),
        of(114, "[\\[] ?[0-9]\\.[0-9]{1,4},\"[a-z@é]{0,20}\", true\\]".boxed()),
        of(142, "<a>[a-z]{0,20}</a>".boxed()),
        of(650, (0..=32_u8).prop_map(|prefix| format!("0.0.0.0/{prefix}")).boxed()),
        of(700, any::<f32>().prop_map(|n| n.to_string()).boxed()),
        of(701, any::<f64>().prop_map(|n| n.to_string()).boxed()),
        of(774, "([0-9a-f]{2}:){7}[0-9a-f]{2}".boxed()),
        of(790, "-?\\$[0-9]{1,3},[0-9]{3}\\.[0-9]{2}".boxed()),
        of(829, "([0-9a-f]{2}:){5}[0-9a-f]{2}".boxed()),
        of(869, any::<std::net::IpAddr>().prop_map(|address| address.to_string()).boxed()),
        of(1042, "[a-z]{0,20} {0,20}".boxed()),
        of(1043, "[^\0]{0,40}".boxed()),
        of(1082, date.boxed()),
        of(1083, clock.clone().boxed()),
        of(1114, moment.clone().boxed()),
        of(1184, (moment, -12..13).prop_map(|(moment, zone)| format!("{moment}{zone:+03}")).boxed()),
        of(
            1186,
            (any::<i16>(), clock.clone()).prop_map(|(days, clock)| format!("{days} days {clock}")).boxed()
        ),
        of(1266, (clock, -12..13).prop_map(|(clock, zone)| format!("{clock}{zone:+03}")).boxed()),
        of(1562, "[01]{0,70}".boxed()),
        of(1700, "-?[1-9][0-9]{0,20}\\.[0-9]{0,20}[1-9]".boxed()),
        of(2950, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}".boxed()),
        of(3802, "\\{\"[a-z]{1,9}\": \"[a-z@é]{0,20}\"\\}".boxed()),
    ]
}

fn family(type_oid: u32) -> Family {
    match oid::lookup(type_oid) {
        Known::Scalar(family) | Known::Array { element: family, .. } => family,
    }
}

/// The binary form of a value's text.
fn to_binary(type_oid: u32, text: &str) -> Vec<u8> {
    fn of<S: Scalar>(text: &str) -> Vec<u8> {
        let mut binary = Vec::new();
        S::from_text(text).expect("a value of the type").write_binary(&mut binary);
        binary
    }
    match family(type_oid) {
        Family::Text
        | Family::BlankPadded
        | Family::Name
        | Family::SingleByte
        | Family::Xml
        | Family::Json => text.as_bytes().to_vec(),
        Family::Jsonb => [b"\x01", text.as_bytes()].concat(),
        Family::Bytea => {
            let digits = text.strip_prefix("\\x").expect("hexadecimal").as_bytes();
            let (pairs, _) = digits.as_chunks::<2>();
            pairs
                .iter()
                .map(|pair| {
                    u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("a digit")
                })
                .collect()
        }
        Family::Int2 => of::<integer::Integer<2>>(text),
        Family::Int4 => of::<integer::Integer<4>>(text),
        Family::Int8 => of::<integer::Integer<8>>(text),
        Family::Oid => of::<integer::Oid>(text),
        Family::Numeric => of::<numeric::Numeric>(text),
        Family::Float4 => of::<float::Float<4>>(text),
        Family::Float8 => of::<float::Float<8>>(text),
        Family::Money => of::<money::Money>(text),
        Family::Boolean => of::<boolean::Boolean>(text),
        Family::Uuid => of::<uuid::Uuid>(text),
        Family::Date => of::<datetime::Date>(text),
        Family::Time => of::<datetime::Time>(text),
        Family::TimeTz => of::<datetime::TimeTz>(text),
        Family::Timestamp => of::<datetime::Timestamp>(text),
        Family::TimestampTz => of::<datetime::TimestampTz>(text),
        Family::Interval => of::<interval::Interval>(text),
        Family::Inet => of::<network::Inet>(text),
        Family::Cidr => of::<network::Cidr>(text),
        Family::MacAddr => of::<network::HardwareAddress<6>>(text),
        Family::MacAddr8 => of::<network::HardwareAddress<8>>(text),
        Family::Bits | Family::VarBits => of::<bits::Bits>(text),
        Family::Structured(_) | Family::Inert => panic!("no binary form"),
    }
}

fn treated(column: &Column, cell: &[u8], treatment: &Treatment) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match column.treat_whole(cell, treatment, &tokens(), &mut out).expect("a value of the type") {
        Masked::Value => Some(out),
        Masked::Null => None,
    }
}

fn texts_of(column: &Column, cell: &[u8]) -> Result<Vec<String>, Unreadable> {
    let mut texts = Vec::new();
    column.texts(cell, &mut |text| texts.push(text.to_owned()))?;
    Ok(texts)
}

/// A finding for all of each text.
fn all_found<'a>(texts: &[String], treatment: &'a Treatment) -> Vec<LeafFinding<'a>> {
    let finding = |(text, content): (usize, &String)| LeafFinding {
        text,
        start: 0,
        end: content.len(),
        treatment,
        replacement: Some("1"),
    };
    texts.iter().enumerate().map(finding).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn hostile_cells_break_nothing(
        type_oid in oids(),
        typmod: i32,
        format in formats(),
        cell in hostile_bytes(),
        treatment in treatments(),
        stray in 0..4_usize,
        start: usize,
        end in 0..60_usize,
    ) {
        let column = Column::new(type_oid, typmod, format);
        let mut out = b"before".to_vec();
        if column.treat_whole(&cell, &treatment, &tokens(), &mut out) != Ok(Masked::Value) {
            prop_assert_eq!(&out, b"before");
        }
        out.truncate(6);
        let finding = LeafFinding { text: stray, start: start % 60, end, treatment: &treatment, replacement: Some("é") };
        if column.replace(&cell, &[finding, finding], &tokens(), &mut out) != Ok(Masked::Value) {
            prop_assert_eq!(&out, b"before");
        }
        out.truncate(6);
        let replaced = match texts_of(&column, &cell) {
            Ok(texts) => column.replace(&cell, &all_found(&texts, &treatment), &tokens(), &mut out),
            Err(_) => return Ok(()),
        };
        // Every text that was given can be named by a finding.
        prop_assert!(replaced.is_ok());
        if replaced == Ok(Masked::Null) {
            prop_assert_eq!(&out, b"before");
        }
    }

    #[test]
    fn formats_agree((type_oid, text) in values(), treatment in treatments()) {
        // There is no surrogate of money in text.
        prop_assume!(type_oid != 790 || !matches!(treatment, Treatment::Redact | Treatment::Plugin(_)));
        let binary = to_binary(type_oid, &text);
        let from_text = treated(&Column::new(type_oid, -1, Format::Text), text.as_bytes(), &treatment);
        let from_binary = treated(&Column::new(type_oid, -1, Format::Binary), &binary, &treatment);
        let from_text = from_text.map(|text| {
            let text = String::from_utf8(text).expect("a text");
            to_binary(type_oid, &text)
        });
        prop_assert_eq!(from_text, from_binary);
    }

    #[test]
    fn cells_without_findings_stay((type_oid, text) in values()) {
        for (format, cell) in [(Format::Text, text.as_bytes().to_vec()), (Format::Binary, to_binary(type_oid, &text))] {
            let mut out = Vec::new();
            let masked = Column::new(type_oid, -1, format).replace(&cell, &[], &tokens(), &mut out);
            prop_assert_eq!(masked, Ok(Masked::Value));
            prop_assert_eq!(out, cell);
        }
    }

    #[test]
    fn treated_values_are_other_values((type_oid, text) in values()) {
        // A shorter one may be part of a token by chance, or its own token where the type has few values.
        prop_assume!(text.trim().len() >= 8);
        let column = Column::new(type_oid, -1, Format::Text);
        let token = treated(&column, text.as_bytes(), &Treatment::Token).map(String::from_utf8);
        let token = token.expect("not null").expect("a text");
        if matches!(column.kind(), "text" | "xml" | "json" | "bytes") {
            prop_assert!(!token.contains(text.trim()), "{}", token);
        }
        // A short row of zero bits, or a network of zero bits, has no other token.
        let is_zero = text.split('/').next().is_some_and(|bits| bits.bytes().all(|c| matches!(c, b'0' | b'.')));
        prop_assert!(token != text || is_zero, "{}", token);
    }

    #[test]
    fn redacted_cells_are_the_columns_surrogate(
        type_oid in oids(),
        typmod in prop_oneof![Just(-1), 4..40_i32, any::<i32>()],
        format in formats(),
        cell in hostile_bytes(),
    ) {
        let column = Column::new(type_oid, typmod, format);
        let (mut redacted, mut surrogate) = (Vec::new(), Vec::new());
        let masked = column.surrogate(&mut surrogate);
        prop_assert_eq!(column.treat_whole(&cell, &Treatment::Redact, &tokens(), &mut redacted), Ok(masked));
        prop_assert_eq!(&redacted, &surrogate);
        prop_assert!(surrogate.len() < 2_000, "{} bytes in every row", surrogate.len());
    }

    #[test]
    fn sealed_texts_come_back(
        text in "[^\0 ]{0,30}",
        type_oid in prop::sample::select(vec![19_u32, 25, 1042, 1043]),
        bound in prop::option::of(1..120_usize),
        format in formats(),
    ) {
        let text: String = text.chars().take(bound.unwrap_or(usize::MAX).min(15)).collect();
        let typmod = bound.map_or(-1, |bound| i32::try_from(bound).expect("small") + 4);
        let blanks = if type_oid == 1042 { bound.unwrap_or(0) } else { 0 };
        let cell = format!("{text:blanks$}");
        let column = Column::new(type_oid, typmod, format);
        let (mut sealed, mut one_way) = (Vec::new(), Vec::new());
        prop_assert_eq!(column.seal(cell.as_bytes(), "s", &tokens(), &mut sealed), Ok(Masked::Value));
        let masked = column.treat_whole(cell.as_bytes(), &Treatment::Token, &tokens(), &mut one_way);
        prop_assert_eq!(masked, Ok(Masked::Value));
        let token = String::from_utf8(sealed.clone()).expect("a text");
        match tokens().open("s", token.trim_end()) {
            Some(value) => prop_assert_eq!(value, text),
            None => prop_assert_eq!(sealed, one_way),
        }
        let room = if type_oid == 19 { 63 } else { bound.unwrap_or(usize::MAX) };
        prop_assert!(token.chars().count() <= room.max(cell.chars().count()));
    }

    #[test]
    fn surrogates_are_values_of_their_type(
        type_oid in oids(),
        typmod in prop_oneof![Just(-1), 4..40_i32, any::<i32>()],
        format in formats(),
    ) {
        let column = Column::new(type_oid, typmod, format);
        let mut surrogate = Vec::new();
        if column.surrogate(&mut surrogate) == Masked::Value {
            // A token is made of a value that was read.
            let token = column.treat_whole(&surrogate, &Treatment::Token, &tokens(), &mut Vec::new());
            prop_assert_eq!(token, Ok(Masked::Value));
            prop_assert!(texts_of(&column, &surrogate).is_ok());
        }
    }

    #[test]
    fn bounds_hold(
        text in "[^\0]{0,30}",
        bound in 1..25_usize,
        treatment in treatments(),
        start in 0..30_usize,
        length in 1..30_usize,
        replacement in prop::option::of("[^\0]{0,30}"),
    ) {
        let text: String = text.chars().take(bound).collect();
        prop_assume!(!text.is_empty());
        let typmod = i32::try_from(bound).expect("small") + 4;
        let finding = LeafFinding { text: 0, start, end: start + length, treatment: &treatment, replacement: replacement.as_deref() };
        for type_oid in [1042, 1043] {
            let column = Column::new(type_oid, typmod, Format::Text);
            let padded = if type_oid == 1042 { format!("{text:bound$}") } else { text.clone() };
            let mut out = Vec::new();
            if column.replace(padded.as_bytes(), &[finding], &tokens(), &mut out) == Ok(Masked::Value) {
                let masked = String::from_utf8(out).expect("a text");
                prop_assert!(masked.chars().count() <= bound, "{masked:?}");
                prop_assert!(type_oid != 1042 || masked.chars().count() == bound, "{masked:?}");
            }
        }
    }

    #[test]
    fn found_texts_are_gone(before in "[^\0]{0,10}", secret in "[A-Z0-9]{12}", after in "[^\0]{0,10}") {
        prop_assume!(!before.contains(&secret) && !after.contains(&secret));
        let text = format!("{before}{secret}{after}");
        for treatment in [Treatment::Redact, Treatment::Token, Treatment::KeepLast(4), Treatment::Null] {
            let finding = LeafFinding { text: 0, start: before.len(), end: before.len() + secret.len(), treatment: &treatment, replacement: None };
            let mut out = Vec::new();
            let masked = Column::new(25, -1, Format::Binary).replace(text.as_bytes(), &[finding], &tokens(), &mut out);
            let out = String::from_utf8(out).expect("a text");
            prop_assert!(!out.contains(&secret));
            prop_assert_eq!(masked == Ok(Masked::Null), treatment == Treatment::Null);
            if masked == Ok(Masked::Value) {
                prop_assert!(out.starts_with(&before) && out.ends_with(&after));
            }
        }
    }
}

#[test]
fn equal_values_have_equal_tokens_across_types() {
    let token = |type_oid, text: &str| {
        treated(&Column::new(type_oid, -1, Format::Text), text.as_bytes(), &Treatment::Token)
            .map(|token| String::from_utf8(token).expect("a text"))
    };
    assert_eq!(token(21, "4711"), token(20, "4711"));
    assert_eq!(token(23, "4711"), token(1700, "4711"));
    assert_eq!(token(25, "alice@example.com"), token(1043, "alice@example.com"));
    assert_eq!(token(25, "alice").as_deref().map(str::trim_end), token(1042, "alice   ").as_deref());
    assert_ne!(token(25, "alice"), token(25, "Alice"));
}

#[test]
fn what_cannot_be_rewritten_is_null() {
    let check = |type_oid, format, cell: &[u8]| {
        let mut out = Vec::new();
        let column = Column::new(type_oid, -1, format);
        assert_eq!(
            column.treat_whole(cell, &Treatment::Redact, &tokens(), &mut out),
            Ok(Masked::Null),
            "{type_oid}"
        );
    };
    check(600, Format::Text, b"(1,2)");
    check(2249, Format::Text, b"(1,alice@example.com)");
    check(3614, Format::Text, b"'alice':1");
    check(3904, Format::Text, b"[1,5)");
    check(790, Format::Text, b"$1.00");
    check(16_385, Format::Binary, b"\0\x01\xff");
    let finding = LeafFinding { text: 0, start: 3, end: 8, treatment: &Treatment::Redact, replacement: None };
    let mut out = Vec::new();
    let record = Column::new(2249, -1, Format::Text);
    assert_eq!(record.replace(b"(1,alice)", &[finding], &tokens(), &mut out), Ok(Masked::Null));
}

#[test]
fn unknown_structures_are_not_taken_for_text() {
    let unknown = Column::new(16_385, -1, Format::Binary);
    assert_eq!(texts_of(&unknown, b"happy"), Ok(vec!["happy".to_owned()]));
    // A composite of one bigint, which could be a card's number.
    let composite = b"\0\0\0\x01\0\0\0\x14\0\0\0\x08\0\x0e\x1b\x7f\0\0\0\0";
    assert_eq!(texts_of(&unknown, composite), Ok(vec!["3970881948745728".to_owned()]));
    // A vector of pgvector's: how many numbers, a reserved word, and the numbers.
    let vector = b"\0\x01\0\0\x3f\x80\0\0";
    assert!(texts_of(&unknown, vector).is_err());
    let vectors = unknown.of_vectors();
    assert!(!vectors.is_scanned());
    assert_eq!(treated(&vectors, vector, &Treatment::Redact), None);
    assert_eq!(treated(&vectors, vector, &Treatment::Token), None);
}

#[test]
fn a_finding_without_a_text_is_an_error() {
    let finding = LeafFinding { text: 1, start: 0, end: 1, treatment: &Treatment::Redact, replacement: None };
    let mut out = Vec::new();
    let column = Column::new(25, -1, Format::Text);
    assert_eq!(column.replace(b"a", &[finding], &tokens(), &mut out), Err(Unmaskable::StrayFinding));
    assert_eq!(out, b"");
}

/// In text format the whole cell is in the client's encoding, in binary only the texts within are.
#[test]
fn sessions_in_other_encodings_are_masked_in_them() {
    let check = |encoding: &str, type_oid, format, cell: &[u8], expected: &[u8]| {
        let column = Column::new(type_oid, -1, format).in_encoding(Arc::new(TextEncoding::new(encoding)));
        let texts = texts_of(&column, cell).expect("a value of the type");
        let findings: Vec<LeafFinding<'_>> = texts
            .iter()
            .enumerate()
            .filter_map(|(text, content)| {
                let start = content.find("a@b.co")?;
                let treatment = &Treatment::Redact;
                Some(LeafFinding { text, start, end: start + 6, treatment, replacement: None })
            })
            .collect();
        assert_eq!(findings.len(), 1, "{texts:?}");
        let mut out = Vec::new();
        assert_eq!(column.replace(cell, &findings, &tokens(), &mut out), Ok(Masked::Value));
        assert_eq!(out, expected, "{encoding} {type_oid}");
    };
    check("LATIN1", 25, Format::Text, b"\xe9 a@b.co", b"\xe9 [redacted]");
    check("LATIN1", 25, Format::Binary, b"\xe9 a@b.co", b"\xe9 [redacted]");
    check("LATIN1", 3802, Format::Binary, b"\x01[\"\xe9a@b.co\"]", b"\x01[\"\xe9[redacted]\"]");
    // The second byte of this character is a backslash in ASCII.
    check("SJIS", 1009, Format::Text, b"{\"\x95\\\",a@b.co}", b"{\"\x95\\\",[redacted]}");
    check(
        "SJIS",
        1009,
        Format::Binary,
        b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x02\x95\\\0\0\0\x06a@b.co",
        b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x02\x95\\\0\0\0\x0a[redacted]",
    );
    // A number in binary is no text.
    let column = Column::new(20, -1, Format::Binary).in_encoding(Arc::new(TextEncoding::new("LATIN1")));
    assert_eq!(texts_of(&column, &0x00e9_i64.to_be_bytes()), Ok(vec!["233".to_owned()]));
}

#[test]
fn what_the_client_cannot_read_is_null() {
    let latin1 = Column::new(25, -1, Format::Text).in_encoding(Arc::new(TextEncoding::new("LATIN1")));
    let treatment = Treatment::Plugin("p".into());
    let finding =
        LeafFinding { text: 0, start: 0, end: 1, treatment: &treatment, replacement: Some("\u{65e5}") };
    let mut out = Vec::new();
    assert_eq!(latin1.replace(b"a", &[finding], &tokens(), &mut out), Ok(Masked::Null));
    assert_eq!(out, b"");
}
