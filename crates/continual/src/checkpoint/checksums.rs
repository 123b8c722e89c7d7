//! Checksums of a checkpoint's parts: a damaged part must not be continued from in silence.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::Checkpoint;
use crate::error::ContinualError;

/// Name of the file with the checksums of the other files.
pub(super) const CHECKSUMS: &str = "checksums.json";
/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// CRC-32C of every file, by name.
type Checksums = BTreeMap<String, u32>;

/// Writes the checksums of all files of a folder. Files that are `known` to be unchanged are not read again.
///
/// # Errors
///
/// [`ContinualError::Io`].
pub(super) fn write(folder: &Path, known: &Checksums) -> Result<(), ContinualError> {
    let io = ContinualError::io;
    let mut checksums = Checksums::new();
    for entry in fs::read_dir(folder).map_err(io("read", folder))? {
        let path = entry.map_err(io("read", folder))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let checksum = match known.get(&name) {
            Some(checksum) => *checksum,
            None => of(&path)?,
        };
        checksums.insert(name, checksum);
    }
    let path = folder.join(CHECKSUMS);
    let json = serde_json::to_vec(&checksums).map_err(ContinualError::saving(&path))?;
    fs::write(&path, json).map_err(io("write", &path))
}

impl Checkpoint {
    /// Checks every part against its checksum. Checkpoints of earlier versions have none.
    ///
    /// # Errors
    ///
    /// [`ContinualError::BrokenCheckpoint`] for the first part that is missing or was changed,
    /// [`ContinualError::Io`].
    pub fn check(&self) -> Result<(), ContinualError> {
        for (name, expected) in self.checksums()? {
            let path = self.path().join(&name);
            if !path.is_file() {
                return Err(self.broken(&name, &"it is missing"));
            }
            if of(&path)? != expected {
                let reason =
                    "it is damaged (its checksum is another); restore it, or start the run again";
                return Err(self.broken(&name, &reason));
            }
        }
        Ok(())
    }

    /// The checksums of the parts; none in a checkpoint of an earlier version.
    pub(super) fn checksums(&self) -> Result<Checksums, ContinualError> {
        match self.path().join(CHECKSUMS).is_file() {
            true => self.json(CHECKSUMS),
            false => Ok(Checksums::new()),
        }
    }
}

fn of(path: &Path) -> Result<u32, ContinualError> {
    let io = ContinualError::io;
    let mut file = File::open(path).map_err(io("read", path))?;
    let mut buffer = vec![0; BUFFER];
    let mut checksum = 0;
    loop {
        match file.read(&mut buffer).map_err(io("read", path))? {
            0 => return Ok(checksum),
            read => checksum = crc32c::crc32c_append(checksum, &buffer[..read]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::super::{Checkpoints, StatePart};
    use super::*;

    #[test]
    fn every_part_that_was_changed_or_removed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::open(folder.path().join("run")).unwrap();
        let part = |name: &str, bytes: Vec<u8>| StatePart::bytes(name, move || Ok(bytes.clone()));
        for step in 0..2u8 {
            // The first part is linked from the checkpoint before.
            let parts = vec![
                part("same", vec![7; 3 * BUFFER / 2]),
                part(&format!("step-{step}"), vec![step; 9]),
                part("empty", Vec::new()),
            ];
            checkpoints.save(&step, parts).unwrap();
        }
        let latest = checkpoints.latest().unwrap();
        latest.check().unwrap();
        assert_eq!(latest.checksums().unwrap().len(), 4);
        for name in ["same", "step-1", "empty", super::super::SEQUENCE_FILE] {
            let path = latest.path().join(name);
            let bytes = fs::read(&path).unwrap();
            let mut damaged = bytes.clone();
            match damaged.get_mut(bytes.len() / 2) {
                Some(byte) => *byte ^= 1,
                None => damaged.push(0),
            }
            for (content, expected) in [(Some(damaged), "damaged"), (None, "missing")] {
                fs::remove_file(&path).unwrap();
                if let Some(content) = content {
                    fs::write(&path, content).unwrap();
                }
                let error = latest.check().unwrap_err().to_string();
                assert!(error.contains(name) && error.contains(expected), "{error}");
                fs::write(&path, &bytes).unwrap();
                latest.check().unwrap();
            }
        }
        fs::remove_file(latest.path().join(CHECKSUMS)).unwrap();
        latest.check().unwrap();
    }
}
