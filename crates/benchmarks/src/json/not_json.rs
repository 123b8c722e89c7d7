//! Recognises files of another kind where JSON should be.

use serde::de::IgnoredAny;
use serde_json::Deserializer;
use thiserror::Error;

use super::Content;
use super::place::{Place, half_surrogate};

/// What a file is instead of JSON, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotJson {
    /// Nothing, or only white space.
    #[error("is empty, expected one JSON {expected}: copy or download it again")]
    Empty {
        /// What the file should hold.
        expected: Content,
    },
    /// JSON behind the byte order mark of UTF-8.
    #[error(
        "begins with a byte order mark (EF BB BF), which JSON does not allow: save it as UTF-8 \
         without one"
    )]
    ByteOrderMark,
    /// Text in another encoding, by its byte order mark.
    #[error(
        "begins with the byte order mark of {encoding} ({mark}), and JSON is UTF-8: save it as UTF-8 \
         without a byte order mark"
    )]
    OtherEncoding {
        /// Name of the encoding.
        encoding: &'static str,
        /// Its mark in hexadecimal.
        mark: &'static str,
    },
    /// Another kind of file, by its first bytes.
    #[error("is {kind}, not JSON: {remedy}")]
    OtherKind {
        /// The kind.
        kind: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// What Git LFS leaves where it did not download a file.
    #[error("is a Git LFS pointer, not the file itself{}: run `git lfs pull`", bytes(*size))]
    LfsPointer {
        /// Bytes of the file itself, as the pointer says.
        size: Option<u64>,
    },
    /// Several objects one after another.
    #[error("holds JSON lines (one object per line), expected one JSON {expected}: {}", one(*expected))]
    Lines {
        /// What the file should hold.
        expected: Content,
    },
    /// An escape that is half a character.
    #[error(
        "holds half of a surrogate pair without the other half ({escape}) at {place}: write the \
         whole character or remove the half"
    )]
    HalfSurrogate {
        /// The escape as it stands in the file.
        escape: String,
        /// Where it stands.
        place: Place,
    },
    /// Bytes that no text in UTF-8 has.
    #[error(
        "is not UTF-8: byte {byte:02X} at offset {offset} ({place}) is wrong: save it as UTF-8"
    )]
    NotUtf8 {
        /// The first byte that cannot stand there.
        byte: u8,
        /// Bytes before it.
        offset: usize,
        /// Where it stands.
        place: Place,
    },
    /// A text that ends inside a character.
    #[error(
        "ends inside a character at offset {offset} ({place}), so its end is missing: copy or download \
         it again"
    )]
    Cut {
        /// Bytes before the character.
        offset: usize,
        /// Where it begins.
        place: Place,
    },
}

/// Encodings by their byte order mark; that of UTF-32 begins as that of UTF-16.
const ENCODINGS: [(&[u8], &str, &str); 4] = [
    (b"\xff\xfe\0\0", "UTF-32", "FF FE 00 00"),
    (b"\0\0\xfe\xff", "UTF-32", "00 00 FE FF"),
    (b"\xff\xfe", "UTF-16", "FF FE"),
    (b"\xfe\xff", "UTF-16", "FE FF"),
];

/// Kinds of files that data sets come in, by their first bytes.
const KINDS: [(&[u8], &str, &str); 4] = [
    (b"\x1f\x8b", "compressed with gzip (1F 8B)", "unpack it"),
    (b"PK\x03\x04", "a ZIP archive (50 4B 03 04)", "unpack it"),
    (b"PAR1", "a Parquet file (PAR1)", "convert it to JSON"),
    (b"<", "a web page or XML (<)", "download the file itself"),
];

const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

impl NotJson {
    /// The bytes as text, unless they show what else they are.
    pub(super) fn check(bytes: &[u8], expected: Content) -> Result<&str, Self> {
        let start = bytes.trim_ascii_start();
        if start.is_empty() {
            return Err(Self::Empty { expected });
        }
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(Self::ByteOrderMark);
        }
        let mut encodings = ENCODINGS.iter();
        if let Some(&(_, encoding, mark)) = encodings.find(|(mark, ..)| bytes.starts_with(mark)) {
            return Err(Self::OtherEncoding { encoding, mark });
        }
        if let Some(&(_, kind, remedy)) = KINDS.iter().find(|(first, ..)| start.starts_with(first))
        {
            return Err(Self::OtherKind { kind, remedy });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let offset = error.valid_up_to();
            let place = Place::of(bytes, offset, expected);
            match error.error_len() {
                Some(_) => Self::NotUtf8 {
                    byte: bytes[offset],
                    offset,
                    place,
                },
                None => Self::Cut { offset, place },
            }
        })?;
        match start.starts_with(LFS) {
            true => Err(Self::LfsPointer { size: size(text) }),
            false => Ok(text),
        }
    }

    /// What is behind the parser's error, if it can be said better.
    pub(super) fn behind(error: &serde_json::Error, text: &str, expected: Content) -> Option<Self> {
        if is_lines(text) {
            return Some(Self::Lines { expected });
        }
        let (offset, escape) = half_surrogate(text)?;
        let place = Place::of(text.as_bytes(), offset, expected);
        // What the parser did not come to is not what it failed at.
        let reached = (place.line, place.column) <= (error.line(), error.column());
        reached.then(|| Self::HalfSurrogate {
            escape: escape.to_string(),
            place,
        })
    }
}

/// Whether an object is the first value of several.
fn is_lines(text: &str) -> bool {
    // What is ignored may hold any escape: half of a surrogate pair does not hide the lines.
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let first = text.trim_start().starts_with('{') && matches!(values.next(), Some(Ok(_)));
    first && text[values.byte_offset()..].trim_start().starts_with('{')
}

/// The size that a pointer of Git LFS names.
fn size(pointer: &str) -> Option<u64> {
    let mut lines = pointer.lines();
    lines.find_map(|line| line.strip_prefix("size ")?.trim().parse().ok())
}

fn bytes(size: Option<u64>) -> String {
    size.map_or(String::new(), |size| format!(", which has {size} bytes"))
}

/// How a file of several values becomes one of one value.
fn one(expected: Content) -> &'static str {
    match expected {
        Content::Rows => "convert it with `jq -s . OLD > NEW`",
        Content::Labels | Content::Suite => "keep one value and remove the others",
    }
}
