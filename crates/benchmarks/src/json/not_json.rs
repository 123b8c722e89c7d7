//! Recognises files that are not JSON.

use serde::de::IgnoredAny;
use serde_json::Deserializer;
use thiserror::Error;

use super::Content;
use super::place::{Place, half_surrogate};

/// The actual format of a file that should be JSON, with the position of the error and a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotJson {
    /// An empty file, or only white space.
    #[error("is empty, expected one JSON {expected}: copy or download it again")]
    Empty {
        /// The expected content.
        expected: Content,
    },
    /// JSON after a UTF-8 byte order mark.
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
        /// Its byte order mark, in hexadecimal digits.
        mark: &'static str,
    },
    /// A file of another format, recognised by its first bytes.
    #[error("is {kind}, not JSON: {remedy}")]
    OtherKind {
        /// The kind.
        kind: &'static str,
        /// The remedy.
        remedy: &'static str,
    },
    /// A Git LFS pointer: the file itself was not downloaded.
    #[error("is a Git LFS pointer, not the file itself{}: run `git lfs pull`", bytes(*size))]
    LfsPointer {
        /// Size of the file in bytes, if the pointer gives it.
        size: Option<u64>,
    },
    /// Several JSON values, one after another.
    #[error("holds JSON lines (one object per line), expected one JSON {expected}: {}", one(*expected))]
    Lines {
        /// The expected content.
        expected: Content,
    },
    /// An escape that is half of a surrogate pair.
    #[error(
        "holds half of a surrogate pair without the other half ({escape}) at {place}: write the \
         whole character or remove the half"
    )]
    HalfSurrogate {
        /// The escape as in the file.
        escape: String,
        /// Its position.
        place: Place,
    },
    /// Bytes that are not valid UTF-8.
    #[error(
        "is not UTF-8: byte {byte:02X} at offset {offset} ({place}) is wrong: save it as UTF-8"
    )]
    NotUtf8 {
        /// The first invalid byte.
        byte: u8,
        /// Number of bytes before it.
        offset: usize,
        /// Its position.
        place: Place,
    },
    /// A text that ends within a character.
    #[error(
        "ends inside a character at offset {offset} ({place}), so its end is missing: copy or download \
         it again"
    )]
    Cut {
        /// Number of bytes before the character.
        offset: usize,
        /// Position of the character.
        place: Place,
    },
}

/// Encodings by their byte order mark. UTF-32 comes first, because its mark begins with UTF-16's.
const ENCODINGS: [(&[u8], &str, &str); 4] = [
    (b"\xff\xfe\0\0", "UTF-32", "FF FE 00 00"),
    (b"\0\0\xfe\xff", "UTF-32", "00 00 FE FF"),
    (b"\xff\xfe", "UTF-16", "FF FE"),
    (b"\xfe\xff", "UTF-16", "FE FF"),
];

/// Formats in which data sets are distributed, by their first bytes.
const KINDS: [(&[u8], &str, &str); 4] = [
    (b"\x1f\x8b", "compressed with gzip (1F 8B)", "unpack it"),
    (b"PK\x03\x04", "a ZIP archive (50 4B 03 04)", "unpack it"),
    (b"PAR1", "a Parquet file (PAR1)", "convert it to JSON"),
    (b"<", "a web page or XML (<)", "download the file itself"),
];

const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

impl NotJson {
    /// Returns the bytes as text, unless they show another format.
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

    /// A better description of a parser error, if there is one.
    pub(super) fn behind(error: &serde_json::Error, text: &str, expected: Content) -> Option<Self> {
        if is_lines(text) {
            return Some(Self::Lines { expected });
        }
        let (offset, escape) = half_surrogate(text)?;
        let place = Place::of(text.as_bytes(), offset, expected);
        // Ignore faults after the position that the parser reached.
        let reached = (place.line, place.column) <= (error.line(), error.column());
        reached.then(|| Self::HalfSurrogate {
            escape: escape.to_string(),
            place,
        })
    }
}

/// Whether an object is the first of several values.
fn is_lines(text: &str) -> bool {
    // `IgnoredAny` accepts all escapes, so half of a surrogate pair does not hide the lines.
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let first = text.trim_start().starts_with('{') && matches!(values.next(), Some(Ok(_)));
    first && text[values.byte_offset()..].trim_start().starts_with('{')
}

/// The size that a Git LFS pointer gives.
fn size(pointer: &str) -> Option<u64> {
    let mut lines = pointer.lines();
    lines.find_map(|line| line.strip_prefix("size ")?.trim().parse().ok())
}

fn bytes(size: Option<u64>) -> String {
    size.map_or(String::new(), |size| format!(", which has {size} bytes"))
}

/// How to make one value from a file of several values.
fn one(expected: Content) -> &'static str {
    match expected {
        Content::Rows => "convert it with `jq -s . OLD > NEW`",
        Content::Labels | Content::Suite => "keep one value and remove the others",
    }
}
