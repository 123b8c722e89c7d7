//! Reading the beginning of a file number by number, without trust in any of them.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::GgufError;

/// Most bytes of metadata and table. The largest vocabularies take some twenty million; a crafted file must not fill
/// the memory.
const MOST_BYTES: u64 = 64 << 20;

/// A place in a file whose length is known.
pub(super) struct Cursor<'a, R> {
    source: R,
    path: &'a Path,
    position: u64,
    length: u64,
}

impl<'a, R: Read> Cursor<'a, R> {
    /// The beginning of `source`, a file of `length` bytes at `path`.
    pub(super) fn new(source: R, path: &'a Path, length: u64) -> Self {
        Self {
            source,
            path,
            position: 0,
            length,
        }
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that follow.
    pub(super) fn left(&self) -> u64 {
        self.length - self.position
    }

    pub(super) fn damaged(&self, reason: impl Into<String>) -> GgufError {
        GgufError::Damaged {
            path: self.path.to_path_buf(),
            position: self.position,
            reason: reason.into(),
        }
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.check_room(N as u64, what)?;
        let read = self.source.read_exact(&mut bytes);
        read.map_err(GgufError::io("read", self.path))?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub(super) fn bytes(&mut self, count: u64, what: &str) -> Result<Vec<u8>, GgufError> {
        self.check_room(count, what)?;
        let mut bytes = Vec::new();
        let read = self.source.by_ref().take(count).read_to_end(&mut bytes);
        let read = read.and_then(|read| match read as u64 == count {
            true => Ok(()),
            false => Err(ErrorKind::UnexpectedEof.into()),
        });
        read.map_err(GgufError::io("read", self.path))?;
        self.position += count;
        Ok(bytes)
    }

    /// A text of at most `most` bytes, with its length in front.
    pub(super) fn text(&mut self, what: &str, most: u64) -> Result<String, GgufError> {
        let length = self.u64(what)?;
        if length > most {
            let reason = format!("{what} has {length} bytes where at most {most} are allowed");
            return Err(self.damaged(reason));
        }
        let bytes = self.bytes(length, what)?;
        String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            self.damaged(format!("{what} is not UTF-8 from its byte {place} on"))
        })
    }

    fn check_room(&self, count: u64, what: &str) -> Result<(), GgufError> {
        if count > self.left() {
            return Err(self.damaged(format!(
                "{what} needs {count} bytes, but the file ends after {}",
                self.left()
            )));
        }
        if self.position.saturating_add(count) > MOST_BYTES {
            return Err(self.damaged(format!(
                "metadata and table of tensors take more than {MOST_BYTES} bytes"
            )));
        }
        Ok(())
    }
}
