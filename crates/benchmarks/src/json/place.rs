//! Positions in a JSON text.

use std::fmt;

use super::Content;

/// A position in a JSON file, counted like the parser's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Byte of the line, from 1.
    pub column: usize,
    /// Row, from 0, if the file contains rows.
    pub row: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {} column {}", self.line, self.column)?;
        match self.row {
            Some(row) => write!(out, ", row {row} (from 0)"),
            None => Ok(()),
        }
    }
}

impl Place {
    /// The position of the byte at `offset`.
    pub(super) fn of(bytes: &[u8], offset: usize, content: Content) -> Self {
        let before = &bytes[..offset];
        let breaks = before.iter().filter(|byte| **byte == b'\n');
        let last_break = before.iter().rposition(|byte| *byte == b'\n');
        Self {
            line: 1 + breaks.count(),
            column: offset + 1 - last_break.map_or(0, |position| position + 1),
            row: row(before).filter(|_| content == Content::Rows),
        }
    }
}

/// The index of the element in which the text ends, if it is an array that is still open.
fn row(before: &[u8]) -> Option<usize> {
    let (mut row, mut depth, mut quoted) = (0, 0_usize, false);
    let mut bytes = before.trim_ascii_start().strip_prefix(b"[")?.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            // Skip the escaped byte, which may be a quotation mark.
            b'\\' => _ = bytes.next(),
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            // A text that closes more than it opens is past its rows.
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => row += 1,
            _ => {}
        }
    }
    Some(row)
}

/// The first escape that is half of a surrogate pair without the other half, with its offset.
///
/// # References
///
/// RFC 8259, section 7: characters beyond the basic plane are written as two escapes, one from D800
/// to DBFF and then one from DC00 to DFFF.
pub(super) fn half_surrogate(text: &str) -> Option<(usize, &str)> {
    let mut offset = 0;
    while let Some(found) = text.get(offset..)?.find('\\') {
        offset += found;
        let low = |unit: &u16| (0xDC00..0xE000).contains(unit);
        match unit(text, offset) {
            Some(0xD800..0xDC00) if unit(text, offset + 6).filter(low).is_some() => offset += 12,
            Some(0xD800..0xE000) => return Some((offset, text.get(offset..offset + 6)?)),
            // Skip the backslash and the escaped byte; the parser fails at longer escapes that are
            // invalid.
            _ => offset += 2,
        }
    }
    None
}

/// The UTF-16 unit at an offset, written as `\u` and four hexadecimal digits.
fn unit(text: &str, offset: usize) -> Option<u16> {
    let digits = text.get(offset..offset + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}
