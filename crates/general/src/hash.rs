//! SHA-256 of what is written.

use std::io;

use sha2::{Digest, Sha256};

/// Hashes everything that is written to it.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// The hash in hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
