//! Reading JSON files of a model folder, and detecting files with unexpected content.

mod config;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

pub use config::parse_config;
pub(crate) use config::{invalid, refuse_zeros, token_ids, unsupported};

use crate::error::LmError;

/// The beginning of a Git LFS pointer, which stands for a large file until `git lfs pull`.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";
/// Byte order marks of UTF-8 and of both orders of UTF-16.
const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

/// Refuses a Git LFS pointer.
pub(crate) fn refuse_pointer(path: &Path) -> Result<(), LmError> {
    let read = LmError::io("read", path);
    let mut beginning = Vec::with_capacity(POINTER.len());
    let result = File::open(path)
        .and_then(|file| file.take(POINTER.len() as u64).read_to_end(&mut beginning));
    result.map_err(read)?;
    match beginning == POINTER {
        true => Err(LmError::GitLfsPointer {
            path: path.to_path_buf(),
        }),
        false => Ok(()),
    }
}

/// The bytes of a JSON file. Refuses a Git LFS pointer and a byte order mark.
pub(crate) fn json_bytes(path: &Path) -> Result<Vec<u8>, LmError> {
    refuse_pointer(path)?;
    let bytes = std::fs::read(path).map_err(LmError::io("read", path))?;
    match MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        true => Err(LmError::Json {
            path: path.to_path_buf(),
            reason:
                "it begins with a byte order mark, which JSON does not allow; save it as UTF-8 \
                     without one"
                    .to_string(),
        }),
        false => Ok(bytes),
    }
}

/// Reads a JSON file of a folder.
///
/// # Errors
///
/// [`LmError::MissingFile`] if the file does not exist, and the errors of [`read_if_there`].
pub(crate) fn read_json(folder: &Path, name: &str) -> Result<Value, LmError> {
    read_if_there(folder, name)?.ok_or_else(|| LmError::MissingFile {
        folder: folder.to_path_buf(),
        expected: name.to_string(),
    })
}

/// Reads an optional JSON file of a folder; `None` if it does not exist.
///
/// # Errors
///
/// [`LmError::GitLfsPointer`] or [`LmError::Json`] if the file exists but is not JSON.
pub(crate) fn read_if_there(folder: &Path, name: &str) -> Result<Option<Value>, LmError> {
    let path = folder.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    match serde_json::from_slice(&json_bytes(&path)?) {
        Ok(json) => Ok(Some(json)),
        Err(error) => Err(LmError::Json {
            path,
            reason: error.to_string(),
        }),
    }
}
