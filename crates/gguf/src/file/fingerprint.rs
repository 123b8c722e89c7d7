//! The name under which an unpacked folder is kept.

use std::io::{Read, Seek, SeekFrom};
use std::sync::PoisonError;

use sha2::{Digest, Sha256};

use super::Gguf;
use crate::error::GgufError;

/// Changes with every change of what is unpacked from a file, so that folders of an older program are not used.
const UNPACKING: u32 = 1;

impl Gguf {
    /// SHA-256 in hexadecimal digits of the whole file and of the way in which this version of the crate unpacks it.
    /// A folder that was [unpacked](Gguf::unpack) under this name is complete and need not be unpacked again.
    ///
    /// Reads the file once, which takes a fraction of the time of unpacking it: the folder is up to eight times as
    /// large.
    ///
    /// # Errors
    ///
    /// [`GgufError::Io`] if the file cannot be read.
    pub fn fingerprint(&self) -> Result<String, GgufError> {
        let mut hash = Sha256::new();
        hash.update(UNPACKING.to_le_bytes());
        // The file that was opened, even if another one has its name now.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = file.seek(SeekFrom::Start(0));
        begin.map_err(GgufError::io("read", self.path()))?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer);
            match read.map_err(GgufError::io("read", self.path()))? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
        let digits = hash.finalize();
        Ok(digits.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
