//! Reads the rows of a file as JSON objects: one per line, or a list; plain or compressed by gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};

use crate::error::{Place, RowsError};

/// Longest line, in bytes: some two million tokens.
const LONGEST_LINE: usize = 8 << 20;
/// Largest JSON list, in bytes: it is read as a whole.
const LARGEST_LIST: u64 = 1 << 30;
/// First bytes of a file that gzip compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Byte order marks of UTF-8 and of both orders of UTF-16.
const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
/// First bytes of files that are often given by mistake.
const OTHERS: [(&[u8], &str); 4] = [
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer: run `git lfs pull` in its repository",
    ),
];

const NOT_AN_OBJECT: &str = "it is not a JSON object";

/// A row as it stands in its file.
pub(crate) struct RawRow {
    pub place: Place,
    /// Its text.
    pub source: String,
    pub fields: Map<String, Value>,
}

/// Reads all rows of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<RawRow>, RowsError> {
    let io = |error| RowsError::Io {
        path: path.to_path_buf(),
        error,
    };
    let file = |reason: String| RowsError::File {
        path: path.to_path_buf(),
        reason,
    };
    if path.is_dir() {
        return Err(file("it is a folder; name the files in it".to_string()));
    }
    let mut opened = BufReader::new(File::open(path).map_err(io)?);
    let compressed = opened.fill_buf().map_err(io)?.starts_with(&GZIP);
    let mut reader: Box<dyn BufRead> = match compressed {
        true => Box::new(BufReader::new(MultiGzDecoder::new(opened))),
        false => Box::new(opened),
    };
    let beginning = reader.fill_buf().map_err(io)?;
    if MARKS.iter().any(|mark| beginning.starts_with(mark)) {
        return Err(file(
            "it begins with a byte order mark; save it as UTF-8 without one".to_string(),
        ));
    }
    if let Some((_, what)) = OTHERS
        .iter()
        .find(|(first, _)| beginning.starts_with(first))
    {
        return Err(file(format!("it is {what}, not JSONL")));
    }
    let first = beginning.iter().find(|byte| !byte.is_ascii_whitespace());
    let rows = match first {
        None => return Err(file("it is empty".to_string())),
        Some(b'[') => list(reader, path)?,
        Some(_) => lines(reader, path)?,
    };
    match rows.is_empty() {
        true => Err(file("it has no row".to_string())),
        false => Ok(rows),
    }
}

fn lines(mut reader: Box<dyn BufRead>, path: &Path) -> Result<Vec<RawRow>, RowsError> {
    let mut rows = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let place = Place {
            path: path.to_path_buf(),
            number,
            in_list: false,
        };
        let mut limited = reader.by_ref().take(LONGEST_LINE as u64 + 1);
        let read = limited.read_until(b'\n', &mut line);
        let read = read.map_err(|error| RowsError::Io {
            path: path.to_path_buf(),
            error,
        })?;
        if read == 0 {
            break;
        }
        if line.len() > LONGEST_LINE {
            return Err(RowsError::row(
                &place,
                format!(
                    "it is longer than {} MiB; divide it into rows",
                    LONGEST_LINE >> 20
                ),
            ));
        }
        let text = match std::str::from_utf8(&line) {
            Ok(text) => text.trim(),
            Err(error) => {
                let column = error.valid_up_to() + 1;
                return Err(RowsError::row(
                    &place,
                    format!("column {column}: it is not UTF-8"),
                ));
            }
        };
        if !text.is_empty() {
            rows.push(row(text, place)?);
        }
    }
    Ok(rows)
}

fn row(text: &str, place: Place) -> Result<RawRow, RowsError> {
    let json: Value = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        // The line is that of the file; serde counts lines within the row.
        let reason = message.split(" at line ").next().unwrap_or_default();
        RowsError::row(&place, format!("column {}: {reason}", error.column()))
    })?;
    match json {
        Value::Object(fields) => Ok(RawRow {
            source: text.to_string(),
            fields,
            place,
        }),
        _ => Err(RowsError::row(&place, NOT_AN_OBJECT)),
    }
}

fn list(reader: Box<dyn BufRead>, path: &Path) -> Result<Vec<RawRow>, RowsError> {
    let mut bytes = Vec::new();
    let file = |reason: String| RowsError::File {
        path: path.to_path_buf(),
        reason,
    };
    let read = reader.take(LARGEST_LIST + 1).read_to_end(&mut bytes);
    read.map_err(|error| RowsError::Io {
        path: path.to_path_buf(),
        error,
    })?;
    if bytes.len() as u64 > LARGEST_LIST {
        return Err(file(format!(
            "a JSON list of more than {} GiB is not read; write one row per line (JSONL)",
            LARGEST_LIST >> 30
        )));
    }
    let items: Vec<Value> =
        serde_json::from_slice(&bytes).map_err(|error| file(error.to_string()))?;
    let rows = items.into_iter().enumerate().map(|(index, item)| {
        let place = Place {
            path: path.to_path_buf(),
            number: index + 1,
            in_list: true,
        };
        let source = item.to_string();
        match item {
            Value::Object(fields) => Ok(RawRow {
                source,
                fields,
                place,
            }),
            _ => Err(RowsError::row(&place, NOT_AN_OBJECT)),
        }
    });
    rows.collect()
}
