//! The elements of an array, read one by one, whatever their type.
//!
//! Text is what `array_out` writes (manual, "Array Input and Output Syntax"); binary is `array_send`'s: dimensions, whether
//! there are NULLs, element type, length and lower bound of each dimension, then each element with its length or -1.

use std::ops::Range;

use super::plan::Malformed;

/// `MAXDIM`.
const DIMENSIONS_MAX: usize = 6;

/// Whether the byte is what array input skips between elements.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
}

/// An element of an array's text.
pub(super) struct TextElement {
    /// Where it stands, quotes included.
    pub(super) span: Range<usize>,
    /// Its text without quotes and escapes; `None` is NULL.
    pub(super) value: Option<String>,
}

/// The elements of an array's text one by one.
pub(super) struct TextElements<'a> {
    array: &'a str,
    at: usize,
    depth: usize,
    is_closed: bool,
}

impl<'a> TextElements<'a> {
    /// Skips the bounds (`[0:1][2:3]=`), which are there when one is not 1.
    pub(super) fn new(array: &'a str) -> Result<Self, Malformed> {
        let at = match array.strip_prefix('[') {
            Some(_) => array.find('=').ok_or(Malformed)? + 1,
            None => 0,
        };
        let is_bound =
            |byte: u8| byte.is_ascii_digit() || matches!(byte, b'[' | b']' | b':' | b'-' | b'+' | b'=');
        if !array.bytes().take(at).all(is_bound) || array.as_bytes().get(at) != Some(&b'{') {
            return Err(Malformed);
        }
        Ok(Self { array, at, depth: 0, is_closed: false })
    }

    /// The next element; `None` at the end of an array that is whole.
    pub(super) fn next(&mut self) -> Result<Option<TextElement>, Malformed> {
        loop {
            match (self.array.as_bytes().get(self.at), self.is_closed) {
                (None, true) => return Ok(None),
                (None, false) | (Some(_), true) => return Err(Malformed),
                (Some(b'{'), false) => self.open()?,
                (Some(b'}'), false) => self.close(),
                (Some(b','), false) => self.at += 1,
                (Some(byte), false) if is_blank(*byte) => self.at += 1,
                (Some(b'"'), false) => return self.quoted().map(Some),
                (Some(_), false) => return self.bare().map(Some),
            }
        }
    }

    fn open(&mut self) -> Result<(), Malformed> {
        if self.depth == DIMENSIONS_MAX {
            return Err(Malformed);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.at += 1;
        self.is_closed = self.depth == 0;
    }

    fn quoted(&mut self) -> Result<TextElement, Malformed> {
        let start = self.at;
        let mut value = String::new();
        let mut chars = self.array[start + 1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + 1 + at + 1;
                    return Ok(TextElement { span: start..self.at, value: Some(value) });
                }
                '\\' => value.push(chars.next().ok_or(Malformed)?.1),
                c => value.push(c),
            }
        }
        Err(Malformed)
    }

    fn bare(&mut self) -> Result<TextElement, Malformed> {
        let start = self.at;
        let mut value = String::new();
        let mut is_escaped = false;
        let mut chars = self.array[start..].char_indices();
        let end = loop {
            match chars.next() {
                Some((at, ',' | '}')) => break start + at,
                Some((_, '\\')) => {
                    is_escaped = true;
                    value.push(chars.next().ok_or(Malformed)?.1);
                }
                Some((_, '{' | '"')) | None => return Err(Malformed),
                Some((_, c)) => value.push(c),
            }
        };
        self.at = end;
        let is_null = !is_escaped && value.trim_ascii_end().eq_ignore_ascii_case("null");
        Ok(TextElement { span: start..end, value: (!is_null).then_some(value) })
    }
}

/// The elements of an array in binary one by one.
pub(super) struct BinaryElements<'a> {
    header: &'a [u8],
    element_oid: u32,
    rest: &'a [u8],
    /// Elements still to come.
    left: usize,
}

impl<'a> BinaryElements<'a> {
    /// Reads the header.
    pub(super) fn new(array: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = array;
        let dimensions = usize::try_from(take_i32(&mut rest)?).map_err(|_| Malformed)?;
        let has_nulls = take_i32(&mut rest)?;
        let element_oid = u32::from_be_bytes(take_i32(&mut rest)?.to_be_bytes());
        if dimensions > DIMENSIONS_MAX || !(0..=1).contains(&has_nulls) {
            return Err(Malformed);
        }
        let mut left = usize::from(dimensions > 0);
        for _ in 0..dimensions {
            let length = usize::try_from(take_i32(&mut rest)?).map_err(|_| Malformed)?;
            let _lower_bound = take_i32(&mut rest)?;
            left = left.checked_mul(length).ok_or(Malformed)?;
        }
        let header = &array[..array.len() - rest.len()];
        Ok(Self { header, element_oid, rest, left })
    }

    /// The same for an array whose elements are of that type.
    pub(super) fn of(element_oid: u32, array: &'a [u8]) -> Result<Self, Malformed> {
        let elements = Self::new(array)?;
        if elements.element_oid == element_oid { Ok(elements) } else { Err(Malformed) }
    }

    /// All that stands before the first element.
    pub(super) fn header(&self) -> &'a [u8] {
        self.header
    }

    /// The type of the elements.
    pub(super) fn element_oid(&self) -> u32 {
        self.element_oid
    }

    /// The next element, `Some(None)` being NULL; `None` at the end of an array that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Option<&'a [u8]>>, Malformed> {
        if self.left == 0 {
            return if self.rest.is_empty() { Ok(None) } else { Err(Malformed) };
        }
        self.left -= 1;
        let length = take_i32(&mut self.rest)?;
        if length == -1 {
            return Ok(Some(None));
        }
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (value, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(Some(Some(value)))
    }
}

fn take_i32(bytes: &mut &[u8]) -> Result<i32, Malformed> {
    let (word, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(i32::from_be_bytes(*word))
}
