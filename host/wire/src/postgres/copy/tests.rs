//! Copies as the server writes them, taken apart and written again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::super::frame::HEADER_BYTES;
use super::super::{Format, Violation, put_row, walk_row};
use super::*;

type Value = Option<Vec<u8>>;
type Row = Vec<Value>;

fn text(delimiter: u8, null: &str) -> CopyLayout {
    let layout = TextLayout { delimiter, null: null.into(), has_header: false };
    CopyLayout { format: CopyFormat::Text(layout), encoding: None }
}

fn csv(layout: CsvLayout) -> CopyLayout {
    CopyLayout { format: CopyFormat::Csv(layout), encoding: None }
}

fn plain_csv() -> CsvLayout {
    CsvLayout {
        delimiter: b',',
        quote: b'"',
        escape: b'"',
        null: "".into(),
        has_header: false,
        forces_quotes: false,
    }
}

fn binary() -> CopyLayout {
    CopyLayout { format: CopyFormat::Binary, encoding: None }
}

/// All parts of the data, fed in chunks.
fn parts(reader: &mut CopyReader, data: &[u8], chunk: usize) -> Result<Vec<Part>, Violation> {
    let mut parts = Vec::new();
    for chunk in data.chunks(chunk) {
        reader.feed(chunk);
        while let Some(part) = reader.next_part()? {
            parts.push(part);
        }
    }
    reader.finish().map(|()| parts)
}

fn cells_of(data_row: &[u8], columns: usize) -> Row {
    let mut row = Vec::new();
    walk_row(data_row, columns, |_, cell| row.push(cell.map(<[u8]>::to_vec))).unwrap();
    row
}

/// The rows of the data, however it comes in.
fn read(layout: &CopyLayout, columns: usize, data: &[u8]) -> Result<Vec<Row>, Violation> {
    let once = |chunk| -> Result<Vec<Row>, Violation> {
        let mut reader = CopyReader::new(layout, columns, 1 << 16);
        let parts = parts(&mut reader, data, chunk)?;
        let mut again = Vec::new();
        let mut rows = Vec::new();
        for part in &parts {
            again.extend_from_slice(&part.bytes);
            if part.is_row() {
                let mut row = BytesMut::new();
                reader.put_data_row(part, &mut row)?;
                rows.push(cells_of(&row, columns));
            }
        }
        assert_eq!(again, data, "something was lost");
        Ok(rows)
    };
    let whole = once(usize::MAX);
    assert_eq!(whole, once(1), "fed byte by byte");
    whole
}

fn row(cells: &[Option<&str>]) -> Row {
    cells.iter().map(|cell| cell.map(|cell| cell.as_bytes().to_vec())).collect()
}

/// `data` is one row, which reads as `expected`.
fn check(layout: &CopyLayout, data: &[u8], expected: &[Option<&str>]) {
    let read = read(layout, expected.len(), data);
    assert_eq!(read, Ok(vec![row(expected)]), "{}", String::from_utf8_lossy(data));
}

fn check_malformed(layout: &CopyLayout, columns: usize, data: &[u8]) {
    let read = read(layout, columns, data);
    assert_eq!(read, Err(MALFORMED), "{}", String::from_utf8_lossy(data));
}

#[test]
fn text_that_the_server_does_not_write_is_malformed() {
    let tabs = text(b'\t', "\\N");
    for data in
        [&b"a\n"[..], b"a\tb\tc\n", b"a\\q\tb\n", b"\\.\tb\n", b"\\.\n", b"a\tb\\\n", b"a\tb", b"\xff\tb\n"]
    {
        check_malformed(&tabs, 2, data);
    }
    check_malformed(&tabs, 0, b"a\n");
    // In an encoding whose letters may end in a backslash or a delimiter, this would be two cells or one.
    check_malformed(&tabs, 2, b"\x95\\\ta\tb\n");
}

#[test]
fn text_is_read_as_the_server_means_it() {
    let tabs = text(b'\t', "\\N");
    check(&tabs, b"a\tb\n", &[Some("a"), Some("b")]);
    check(&tabs, b"\\N\t\n", &[None, Some("")]);
    check(&tabs, b"\\\\N\t\\t\\n\\r\\b\\f\\v\\\\\n", &[Some("\\N"), Some("\t\n\r\x08\x0c\x0b\\")]);
    check(&tabs, "é|\t\x01\n".as_bytes(), &[Some("é|"), Some("\x01")]);
    check(&text(b'|', "none"), b"a\\|b|\\\\\n", &[Some("a|b"), Some("\\")]);
    check(&tabs, b"\n", &[Some("")]);
    assert_eq!(read(&tabs, 0, b"\n\n"), Ok(vec![vec![], vec![]]));
}

#[test]
fn a_text_for_null_that_a_value_can_have_is_taken_for_the_value() {
    check(&text(b'\t', ""), b"\tx\n", &[Some(""), Some("x")]);
    check(&text(b'\t', "123"), b"123\n", &[Some("123")]);
    check(&text(b'\t', "\\\\"), b"\\\\\n", &[Some("\\")]);
    // What no value is written as is NULL for certain.
    check(&text(b'\t', "\\q"), b"\\q\tq\n", &[None, Some("q")]);
}

#[test]
fn csv_that_the_server_does_not_write_is_malformed() {
    let plain = csv(plain_csv());
    for data in
        [&b"a\n"[..], b"a,b,c\n", b"a,b\"\n", b"\"a\"b,c\n", b"\"a,b\n", b"a,b\r\n", b"a,\"b", b"\xe9,b\n"]
    {
        check_malformed(&plain, 2, data);
    }
    let escaped = csv(CsvLayout { escape: b'\\', ..plain_csv() });
    check_malformed(&escaped, 1, b"\"a\\b\"\n");
    check_malformed(&escaped, 1, b"\"a\"\"b\"\n");
}

#[test]
fn csv_is_read_as_the_server_means_it() {
    let plain = csv(plain_csv());
    check(&plain, b"a,b\n", &[Some("a"), Some("b")]);
    check(&plain, b",\"\"\n", &[None, Some("")]);
    check(&plain, b"\"a,\"\"b\"\"\r\n\",\\N\n", &[Some("a,\"b\"\r\n"), Some("\\N")]);
    check(&plain, b"\"\\.\"\n", &[Some("\\.")]);
    check(&plain, b"\n", &[None]);
    let escaped = csv(CsvLayout { quote: b'\'', escape: b'\\', null: "NULL".into(), ..plain_csv() });
    check(&escaped, b"'a\\'b\\\\',NULL,'NULL'\n", &[Some("a'b\\"), None, Some("NULL")]);
    let odd = csv(CsvLayout { delimiter: b'n', escape: b'n', ..plain_csv() });
    check(&odd, b"\"ann\"n\"n\"\n\"nb\n", &[Some("an"), Some("\"\n"), Some("b")]);
}

const OPENING: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

fn tuple(row: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = BytesMut::new();
    binary::put_tuple(row, &mut out);
    out.to_vec()
}

#[test]
fn binary_that_the_server_does_not_write_is_malformed() {
    let one = tuple(&[Some(b"a")]);
    let check = |data: &[&[u8]]| check_malformed(&binary(), 1, &data.concat());
    check(&[b"PGCOPX\n\xff\r\n\0\0\0\0\0\0\0\0\0", b"\xff\xff"]);
    check(&[b"PGCOPY\n\xff\r\n\0\0\x01\0\0\0\0\0\0", b"\xff\xff"]);
    check(&[b"PGCOPY\n\xff\r\n\0\0\0\0\0\xff\0\0\0", b"\xff\xff"]);
    check(&[OPENING, &tuple(&[None, None]), b"\xff\xff"]);
    check(&[OPENING, &one]);
    check(&[OPENING, &one, b"\xff\xff", &one]);
    check(&[OPENING, b"\0\x01\xff\xff\xff\xfe", b"\xff\xff"]);
    check(&[OPENING, &one[..6]]);
    check(&[]);
}

#[test]
fn what_opens_a_binary_copy_goes_with_its_first_row() {
    let rows = [tuple(&[Some(b"a\n"), None]), tuple(&[Some(b""), Some(b"\xff\xff")])];
    let data = [OPENING, &rows[0], &rows[1], b"\xff\xff"].concat();
    let expected = vec![vec![Some(b"a\n".to_vec()), None], vec![Some(vec![]), Some(b"\xff\xff".to_vec())]];
    assert_eq!(read(&binary(), 2, &data), Ok(expected));
    let mut reader = CopyReader::new(&binary(), 2, 1 << 16);
    let parts = parts(&mut reader, &data, usize::MAX).unwrap();
    assert_eq!(parts[0].bytes, [OPENING, &rows[0]].concat());
    assert_eq!(parts.iter().map(Part::is_row).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_header_is_no_row() {
    for layout in [
        csv(CsvLayout { has_header: true, ..plain_csv() }),
        CopyLayout {
            format: CopyFormat::Text(TextLayout { delimiter: b',', null: "\\N".into(), has_header: true }),
            encoding: None,
        },
    ] {
        assert_eq!(read(&layout, 2, b"a,b\n1,2\n"), Ok(vec![row(&[Some("1"), Some("2")])]));
        assert_eq!(read(&layout, 2, b"a,b\n"), Ok(vec![]));
        check_malformed(&layout, 2, b"");
    }
}

#[test]
fn a_part_has_a_longest_length() {
    let check = |layout: &CopyLayout, data: &[u8]| {
        for chunk in [1, usize::MAX] {
            let mut reader = CopyReader::new(layout, 1, 32);
            let read = parts(&mut reader, data, chunk);
            assert!(matches!(read, Err(Violation::TooLong { limit: 32, .. })), "{read:?}");
        }
    };
    check(&text(b'\t', "\\N"), &[b'a'; 40]);
    check(&csv(plain_csv()), &[&[b'a'; 40][..], b"\n"].concat());
    check(&csv(plain_csv()), &[b'"'; 41]);
    check(&binary(), &[OPENING, b"\0\x01\0\0\x01\0", &[0; 256]].concat());
}

/// Writes a row as the server does: the other side of what is tested.
fn serve(layout: &CopyLayout, row: &[Value]) -> Vec<u8> {
    let cells: Vec<Option<&[u8]>> = row.iter().map(Option::as_deref).collect();
    let delimited =
        |delimiter: u8, cells: Vec<Vec<u8>>| [cells.join(&[delimiter][..]), b"\n".to_vec()].concat();
    match &layout.format {
        CopyFormat::Binary => tuple(&cells),
        CopyFormat::Text(text) => {
            delimited(text.delimiter, cells.iter().map(|c| serve_text(text, *c)).collect())
        }
        CopyFormat::Csv(csv) => delimited(csv.delimiter, cells.iter().map(|c| serve_csv(csv, *c)).collect()),
    }
}

fn serve_text(layout: &TextLayout, value: Option<&[u8]>) -> Vec<u8> {
    let Some(value) = value else { return layout.null.as_bytes().to_vec() };
    let letters = [(8, b'b'), (9, b't'), (10, b'n'), (11, b'v'), (12, b'f'), (13, b'r'), (b'\\', b'\\')];
    let written = |byte: u8| match letters.iter().find(|(control, _)| *control == byte) {
        Some((_, letter)) => vec![b'\\', *letter],
        None if byte == layout.delimiter => vec![b'\\', byte],
        None => vec![byte],
    };
    value.iter().flat_map(|byte| written(*byte)).collect()
}

fn serve_csv(layout: &CsvLayout, value: Option<&[u8]>) -> Vec<u8> {
    let Some(value) = value else { return layout.null.as_bytes().to_vec() };
    let special = [layout.delimiter, layout.quote, b'\r', b'\n'];
    let bare =
        value != layout.null.as_bytes() && value != b"\\." && !value.iter().any(|b| special.contains(b));
    if bare && !layout.forces_quotes {
        return value.to_vec();
    }
    let escaped = value.iter().flat_map(|byte| {
        let escapes = *byte == layout.quote || *byte == layout.escape;
        [layout.escape, *byte].into_iter().skip(usize::from(!escapes))
    });
    std::iter::once(layout.quote).chain(escaped).chain([layout.quote]).collect()
}

fn layouts() -> impl Strategy<Value = CopyLayout> {
    let character = || prop::sample::select(b",;|\t\"'\\nX".to_vec());
    let null = || prop::sample::select(vec!["", "\\N", "NULL", "x"]);
    prop_oneof![
        Just(binary()),
        (prop::sample::select(b",;|\t\"'X\x01".to_vec()), null()).prop_map(|(d, null)| text(d, null)),
        (character(), character(), character(), null(), any::<bool>()).prop_filter_map(
            "the server refuses it",
            |(delimiter, quote, escape, null, forces_quotes)| {
                let clashes = null.bytes().any(|byte| byte == delimiter || byte == quote);
                let layout = CsvLayout {
                    delimiter,
                    quote,
                    escape,
                    null: null.into(),
                    has_header: false,
                    forces_quotes,
                };
                (delimiter != quote && !clashes).then(|| csv(layout))
            },
        ),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        Just(None),
        "[a,;|\t\"'\\\\nNULXx\n\r\x08\\.é\x01]{0,6}".prop_map(|text| Some(text.into_bytes())),
        Just(Some(b"\\N".to_vec())),
        Just(Some(b"\\.".to_vec())),
    ];
    (0_usize..4).prop_flat_map(move |columns| {
        prop::collection::vec(prop::collection::vec(value.clone(), columns), 0..4)
    })
}

/// NULL in text format, where a value can be written the same.
fn is_doubtful(layout: &CopyLayout, value: &Value) -> bool {
    match &layout.format {
        CopyFormat::Text(text) => value.is_none() && &*text.null != "\\N",
        CopyFormat::Csv(_) | CopyFormat::Binary => false,
    }
}

proptest! {
    #[test]
    fn what_the_server_writes_is_read_as_it_was_meant(layout in layouts(), rows in rows(), chunk in 1_usize..20) {
        let columns = rows.first().map_or(1, Vec::len);
        let is_binary = layout.format == CopyFormat::Binary;
        let mut data = if is_binary { OPENING.to_vec() } else { vec![] };
        rows.iter().for_each(|row| data.extend(serve(&layout, row)));
        data.extend_from_slice(if is_binary { b"\xff\xff" } else { b"" });

        let mut reader = CopyReader::new(&layout, columns, 1 << 16);
        let parts = parts(&mut reader, &data, chunk).unwrap();
        let read = parts.iter().filter(|part| part.is_row()).map(|part| {
            let mut out = BytesMut::new();
            reader.put_data_row(part, &mut out).unwrap();
            cells_of(&out, columns)
        });
        let read: Vec<Row> = read.collect();
        prop_assert_eq!(read.len(), rows.len());
        for (read, row) in read.iter().zip(&rows) {
            for (read, value) in read.iter().zip(row) {
                prop_assert!(read == value || is_doubtful(&layout, value), "{read:?} for {value:?}");
            }
        }
    }

    #[test]
    fn what_is_not_treated_is_written_as_it_was(
        layout in layouts(), rows in rows(), treated in prop::option::of("[a,\"'\\\\\n|X]{0,4}"), at in 0_usize..4,
    ) {
        let is_binary = layout.format == CopyFormat::Binary;
        let treated: Value = treated.map(String::into_bytes);
        for row in rows {
            let data = [if is_binary { OPENING } else { b"" }, &serve(&layout, &row)].concat();
            let mut reader = CopyReader::new(&layout, row.len(), 1 << 16);
            reader.feed(&data);
            let part = reader.next_part().unwrap().unwrap();
            let mut as_row = BytesMut::new();
            reader.put_data_row(&part, &mut as_row).unwrap();
            let mut same = BytesMut::new();
            reader.put_treated(&part, &as_row, &mut same).unwrap();
            prop_assert_eq!(&same[HEADER_BYTES..], &data[..]);

            let mut cells = cells_of(&as_row, row.len());
            if let Some(cell) = cells.get_mut(at) {
                cell.clone_from(&treated);
            }
            let mut instead = BytesMut::new();
            put_row(&mut instead, cells.len(), |writer| cells.iter().for_each(|cell| writer.cell(cell.as_deref())));
            let mut out = BytesMut::new();
            reader.put_treated(&part, &instead, &mut out).unwrap();
            let mut expected = row;
            if let Some(cell) = expected.get_mut(at) {
                cell.clone_from(&treated);
            }
            let mut again = CopyReader::new(&layout, expected.len(), 1 << 16);
            again.feed(&out[HEADER_BYTES..]);
            let part = again.next_part().unwrap().unwrap();
            let mut read = BytesMut::new();
            again.put_data_row(&part, &mut read).unwrap();
            for (read, value) in cells_of(&read, expected.len()).iter().zip(&expected) {
                prop_assert!(read == value || is_doubtful(&layout, value), "{read:?} for {value:?}");
            }
        }
    }

    #[test]
    fn whatever_comes_is_bounded_and_never_panics(
        layout in layouts(), data in prop::collection::vec(any::<u8>(), 0..200), columns in 0_usize..4,
        opened in any::<bool>(),
    ) {
        let opening = if opened && layout.format == CopyFormat::Binary { OPENING } else { b"" };
        let data = [opening, &data].concat();
        let _ = read(&layout, columns, &data);
    }
}

#[test]
fn a_row_keeps_its_format() {
    assert_eq!(CopyReader::new(&binary(), 1, 1).format(), Format::Binary);
    assert_eq!(CopyReader::new(&csv(plain_csv()), 1, 1).format(), Format::Text);
    assert_eq!(CopyReader::new(&text(b'\t', ""), 7, 1).columns(), 7);
}

#[test]
fn a_row_with_other_cells_is_not_written() {
    let mut reader = CopyReader::new(&text(b'\t', "\\N"), 1, 1 << 16);
    reader.feed(b"a\n");
    let part = reader.next_part().unwrap().unwrap();
    let mut two = BytesMut::new();
    put_row(&mut two, 2, |writer| [Some(&b"a"[..]), None].into_iter().for_each(|cell| writer.cell(cell)));
    let mut out = BytesMut::new();
    out.put_u8(7);
    assert!(reader.put_treated(&part, &two, &mut out).is_err());
    assert_eq!(&out[..], [7]);
}
