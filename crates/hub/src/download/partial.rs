//! A file that is not whole yet: continued where an earlier fetch ended, verified, and only then given its name.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::{Digest, Sha256};
use ureq::Body;
use ureq::http::{Response, StatusCode, header};

use super::PIECE;
use crate::cache::make_parent;
use crate::error::HubError;
use crate::listing::{Hash, Identity};

/// A file that is not whole yet, with the hash of what is there.
pub(super) struct Partial<'a> {
    path: PathBuf,
    file: File,
    pub(super) name: &'a str,
    pub(super) identity: &'a Identity,
    pub(super) done: u64,
    hasher: Hasher,
}

impl<'a> Partial<'a> {
    /// Opens what an earlier fetch has left, or begins.
    pub(super) fn open(
        path: PathBuf,
        name: &'a str,
        identity: &'a Identity,
    ) -> Result<Self, HubError> {
        let open = || {
            make_parent(&path)?;
            File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
        };
        let file = open().map_err(HubError::io(&path))?;
        let mut partial = Self {
            hasher: Hasher::new(identity),
            path,
            file,
            name,
            identity,
            done: 0,
        };
        partial.read_left()?;
        if partial.done > identity.size {
            partial.restart()?;
        }
        Ok(partial)
    }

    /// Hashes what is there, up to one byte more than the file may have.
    fn read_left(&mut self) -> Result<(), HubError> {
        let mut piece = vec![0; PIECE];
        while self.done <= self.identity.size {
            match self
                .file
                .read(&mut piece)
                .map_err(HubError::io(&self.path))?
            {
                0 => break,
                read => {
                    self.hasher.update(&piece[..read]);
                    self.done = self.done.saturating_add(read as u64);
                }
            }
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), HubError> {
        let empty = self.file.set_len(0);
        let begin = empty.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        begin.map_err(HubError::io(&self.path))?;
        self.done = 0;
        self.hasher = Hasher::new(self.identity);
        Ok(())
    }

    /// Checks what the server is about to send; begins anew if it sends everything again.
    pub(super) fn begin(&mut self, response: &Response<Body>) -> Result<(), HubError> {
        let text = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let total = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = text(header::CONTENT_RANGE);
                let (first, total) = range.and_then(parse_range).ok_or_else(|| {
                    HubError::bad_answer(self.name, format!("its range is {range:?}"))
                })?;
                if first != self.done {
                    let reason = format!("it begins at byte {first} instead of {}", self.done);
                    return Err(HubError::bad_answer(self.name, reason));
                }
                total
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(self.wrong(format!("the server has no byte {}", self.done)));
            }
            _ => {
                self.restart()?;
                text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok())
            }
        };
        match total.filter(|total| *total != self.identity.size) {
            Some(total) => {
                let listed = self.identity.size;
                Err(self.wrong(format!("it has {total} bytes instead of {listed}")))
            }
            None => Ok(()),
        }
    }

    pub(super) fn write(&mut self, piece: &[u8]) -> Result<(), HubError> {
        self.file
            .write_all(piece)
            .map_err(|error| self.full_or(error))?;
        self.hasher.update(piece);
        self.done = self.done.saturating_add(piece.len() as u64);
        Ok(())
    }

    fn full_or(&self, error: io::Error) -> HubError {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => HubError::DiskFull {
                folder: self.path.parent().unwrap_or(&self.path).to_path_buf(),
                needed: self.identity.size.saturating_sub(self.done),
                available: 0,
            },
            _ => HubError::io(&self.path)(error),
        }
    }

    /// Gives the file its name if it is the one that is listed.
    pub(super) fn finish(mut self, blob: &Path) -> Result<(), HubError> {
        let found = self.hasher.finish();
        let listed = self.identity.hash.name();
        if found != listed {
            return Err(self.wrong(format!("its hash is {found} instead of {listed}")));
        }
        // The name must not outlive the bytes if the machine stops now.
        self.file.sync_all().map_err(|error| self.full_or(error))?;
        fs::rename(&self.path, blob).map_err(HubError::io(blob))
    }

    /// The error of a wrong file, which is deleted.
    fn wrong(&self, reason: String) -> HubError {
        match fs::remove_file(&self.path) {
            Ok(()) => HubError::WrongBytes {
                file: self.name.to_string(),
                reason,
            },
            Err(error) => HubError::io(&self.path)(error),
        }
    }
}

/// First byte and size of a whole file, if it is given, from `bytes 5-9/10`.
fn parse_range(range: &str) -> Option<(u64, Option<u64>)> {
    let (bytes, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let first = bytes.split_once('-')?.0.parse().ok()?;
    match total {
        "*" => Some((first, None)),
        total => Some((first, Some(total.parse().ok()?))),
    }
}

/// A hash that is not finished.
enum Hasher {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl Hasher {
    fn new(identity: &Identity) -> Self {
        match identity.hash {
            Hash::Sha256(_) => Self::Sha256(Sha256::new()),
            // Git hashes a header with the size before the bytes.
            Hash::GitBlob(_) => {
                Self::GitBlob(Sha1::new_with_prefix(format!("blob {}\0", identity.size)))
            }
        }
    }

    fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(piece),
            Self::GitBlob(hasher) => hasher.update(piece),
        }
    }

    fn finish(&mut self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Sha256(hasher) => hex(&hasher.finalize_reset()),
            Self::GitBlob(hasher) => hex(&hasher.finalize_reset()),
        }
    }
}
