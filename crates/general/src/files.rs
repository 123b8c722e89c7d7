//! Reads files of rows, examples and texts, with errors that name the place.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::GeneralError;

/// Largest file in bytes: the largest suite, MMLU, has 8 MB.
const LARGEST_FILE: u64 = 1 << 30;

/// A row, and the line that it stands in.
pub(crate) struct Line<T> {
    pub number: usize,
    pub row: T,
}

/// Reads a file of JSON lines. Empty lines are allowed, and keys that a row does not need.
///
/// # Errors
///
/// [`GeneralError::Io`], [`GeneralError::File`] if the file is too large or has no row,
/// [`GeneralError::Line`] with the reason and column of a line that is not such a row.
pub(crate) fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<Line<T>>, GeneralError> {
    let mut rows = Vec::new();
    for (number, line) in lines(path)? {
        // A list of values would be read as the keys of a row in their order.
        if !line.trim_start().starts_with('{') {
            let reason = "it is not a JSON object: write one row per line";
            return Err(GeneralError::line(path, number, reason));
        }
        let row = serde_json::from_str(&line)
            .map_err(|error| GeneralError::line(path, number, in_line(&error)))?;
        rows.push(Line { number, row });
    }
    Ok(rows)
}

/// Reads the lines of a file that are not empty, with their numbers from 1.
///
/// # Errors
///
/// Those of [`rows`]; a line that is not UTF-8 is named.
pub(crate) fn lines(path: &Path) -> Result<Vec<(usize, String)>, GeneralError> {
    let bytes = bytes(path)?;
    let mut lines = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let text = std::str::from_utf8(line).map_err(|error| {
            let column = error.valid_up_to() + 1;
            GeneralError::line(
                path,
                number,
                format!("byte {column} is not UTF-8: save it as UTF-8"),
            )
        })?;
        let text = text.strip_suffix('\r').unwrap_or(text);
        if !text.trim().is_empty() {
            lines.push((number, text.to_string()));
        }
    }
    match lines.is_empty() {
        true => Err(GeneralError::file(
            path,
            "it is empty: copy or download it again",
        )),
        false => Ok(lines),
    }
}

/// Reads a whole text.
///
/// # Errors
///
/// [`GeneralError::Io`], [`GeneralError::File`] if it is too large or not UTF-8.
pub(crate) fn text(path: &Path) -> Result<String, GeneralError> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        GeneralError::file(
            path,
            format!("the byte at offset {offset} is not UTF-8: save it as UTF-8"),
        )
    })
}

/// Reads a file with one JSON value.
///
/// # Errors
///
/// Those of [`text`], and [`GeneralError::Line`] where the value has another form.
pub(crate) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, GeneralError> {
    let text = text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| GeneralError::line(path, error.line().max(1), in_line(&error)))
}

fn bytes(path: &Path) -> Result<Vec<u8>, GeneralError> {
    let io = |error| GeneralError::Io {
        path: path.to_path_buf(),
        error,
    };
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > LARGEST_FILE {
        let reason = format!("it is larger than {} GiB: divide it", LARGEST_FILE >> 30);
        return Err(GeneralError::file(path, reason));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        let reason = "it begins with a byte order mark: save it as UTF-8 without one";
        return Err(GeneralError::file(path, reason));
    }
    Ok(bytes)
}

/// The parser's reason with its column, but without its line: that of the file is known.
fn in_line(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or_default();
    format!("column {}: {reason}", error.column())
}
