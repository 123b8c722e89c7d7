//! A folder of checkpoints; a checkpoint in it is complete or absent.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Checkpoint, SEQUENCE_FILE, StatePart, checksums};
use crate::error::ContinualError;

/// Prefix of a checkpoint's name while it is written; a rename completes it.
const UNFINISHED: &str = ".writing-";
const FINISHED: &str = "checkpoint-";

/// The checkpoints of one run. A new checkpoint replaces the oldest one that is kept, once it is on disk.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    latest: Option<(u64, Checkpoint)>,
    /// Complete checkpoints before the latest, the oldest first.
    earlier: Vec<Checkpoint>,
    /// Number of checkpoints that are kept, at least 1.
    kept: usize,
    /// Larger than the number of every existing name of a checkpoint, complete or not.
    next: u64,
}

impl Checkpoints {
    /// Opens the folder of a run's checkpoints and removes what an interrupted process left
    /// unfinished.
    ///
    /// The first checkpoint creates the folder. Only a folder that contains [`SEQUENCE_FILE`]
    /// counts as a checkpoint; files and other folders stay untouched, even with a checkpoint's
    /// name.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ContinualError> {
        let folder = folder.into();
        let mut complete: Vec<(u64, Checkpoint)> = Vec::new();
        let mut next = 0;
        if folder.is_dir() {
            let entries = fs::read_dir(&folder).map_err(ContinualError::io("read", &folder))?;
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with(UNFINISHED) {
                    remove(&entry.path())?;
                    continue;
                }
                let number = name.strip_prefix(FINISHED).and_then(|n| n.parse().ok());
                let Some(number) = number else {
                    continue;
                };
                next = next.max(number + 1);
                if entry.path().join(SEQUENCE_FILE).is_file() {
                    complete.push((number, Checkpoint { path: entry.path() }));
                }
            }
        }
        complete.sort_by_key(|&(number, _)| number);
        Ok(Self {
            folder,
            latest: complete.pop(),
            earlier: complete.into_iter().map(|(_, earlier)| earlier).collect(),
            kept: 1,
            next,
        })
    }

    /// Keeps so many checkpoints, at least one, instead of the latest alone.
    #[must_use]
    pub fn keeping(self, kept: usize) -> Self {
        Self {
            kept: kept.max(1),
            ..self
        }
    }

    /// The latest checkpoint.
    pub fn latest(&self) -> Option<&Checkpoint> {
        self.latest.as_ref().map(|(_, checkpoint)| checkpoint)
    }

    /// Saves a checkpoint and removes the oldest ones that are not kept.
    ///
    /// `sequence` becomes the checkpoint's [`SEQUENCE_FILE`]. Parts that the previous checkpoint
    /// already has are not written again.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`] and the error of a part that cannot be written; the latest checkpoint
    /// then stays as it was.
    pub fn save(
        &mut self,
        sequence: &impl Serialize,
        parts: Vec<StatePart<'_>>,
    ) -> Result<(), ContinualError> {
        let io = ContinualError::io;
        fs::create_dir_all(&self.folder).map_err(io("create", &self.folder))?;
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.folder)
            .map_err(io("write in", &self.folder))?;
        let before = match self.latest() {
            Some(latest) => latest.checksums()?,
            None => BTreeMap::new(),
        };
        let mut linked = BTreeMap::new();
        for part in parts {
            let path = unfinished.path().join(part.name());
            if self.link_from_latest(part.name(), &path) {
                let checksum = before.get_key_value(part.name());
                linked.extend(checksum.map(|(name, checksum)| (name.clone(), *checksum)));
            } else {
                part.write_to(&path)?;
                synchronize(&path)?;
            }
        }
        let path = unfinished.path().join(SEQUENCE_FILE);
        let json = serde_json::to_vec(sequence).map_err(ContinualError::saving(&path))?;
        fs::write(&path, json).map_err(io("write", &path))?;
        synchronize(&path)?;
        checksums::write(unfinished.path(), &linked)?;
        synchronize(&unfinished.path().join(checksums::CHECKSUMS))?;
        synchronize(unfinished.path())?;

        let number = self.next;
        let path = self.folder.join(format!("{FINISHED}{number:06}"));
        fs::rename(unfinished.path(), &path).map_err(io("write", &path))?;
        // The rename moved the folder: there is nothing left to clean up.
        let _ = unfinished.keep();
        synchronize(&self.folder)?;
        self.next = number + 1;
        let before = self.latest.replace((number, Checkpoint { path }));
        self.earlier.extend(before.map(|(_, before)| before));
        while self.earlier.len() >= self.kept {
            remove(self.earlier.remove(0).path())?;
        }
        Ok(())
    }

    /// Removes all checkpoints, once the run is complete.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`].
    pub fn clear(&mut self) -> Result<(), ContinualError> {
        (self.latest, self.next) = (None, 0);
        self.earlier.clear();
        match self.folder.is_dir() {
            true => remove(&self.folder),
            false => Ok(()),
        }
    }

    /// Hard-links a part of the latest checkpoint to `path`; false if it has no such part.
    fn link_from_latest(&self, name: &str, path: &Path) -> bool {
        let Some(latest) = self.latest() else {
            return false;
        };
        let source = latest.path().join(name);
        // File systems without hard links: the part is written again.
        source.is_file() && fs::hard_link(source, path).is_ok()
    }
}

fn remove(folder: &Path) -> Result<(), ContinualError> {
    fs::remove_dir_all(folder).map_err(ContinualError::io("remove", folder))
}

/// Flushes a file or folder to disk before its new name is used: a rename alone survives a crash of
/// the program, but not a crash of the machine.
fn synchronize(path: &Path) -> Result<(), ContinualError> {
    // Windows cannot open a folder as a file and needs no flush of one.
    if cfg!(windows) && path.is_dir() {
        return Ok(());
    }
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(ContinualError::io("write", path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn part<'a>(name: &str, write_count: &'a Cell<usize>) -> StatePart<'a> {
        StatePart::bytes(name, || {
            write_count.set(write_count.get() + 1);
            Ok(vec![7; 5])
        })
    }

    #[test]
    fn a_checkpoint_replaces_the_previous_one_and_shares_its_parts() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        let mut checkpoints = Checkpoints::open(&folder).unwrap();
        assert!(checkpoints.latest().is_none());
        let write_count = Cell::new(0);
        for (header, parts) in [(1, vec!["a-1"]), (2, vec!["a-1", "b-1"]), (3, vec!["b-1"])] {
            let parts = parts
                .into_iter()
                .map(|name| part(name, &write_count))
                .collect();
            checkpoints.save(&header, parts).unwrap();
            let reopened = Checkpoints::open(&folder).unwrap();
            let latest = reopened.latest().unwrap();
            assert_eq!(latest.json::<i32>(SEQUENCE_FILE).unwrap(), header);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        }
        assert_eq!(write_count.get(), 2, "each part is written once");
        let latest = checkpoints.latest().unwrap().clone();
        assert_eq!(latest.find("b-"), Some("b-1".to_string()));
        assert_eq!(latest.find("a-"), None);
        assert_eq!(latest.read("b-1").unwrap(), [7; 5]);
        checkpoints.clear().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn so_many_checkpoints_are_kept_over_processes() {
        let parent = tempfile::tempdir().unwrap();
        let numbers = || {
            let entries = fs::read_dir(parent.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        for number in 0..5 {
            let mut checkpoints = Checkpoints::open(parent.path()).unwrap().keeping(3);
            checkpoints.save(&number, vec![]).unwrap();
            assert_eq!(numbers().len(), 3.min(number + 1));
        }
        assert_eq!(numbers()[2], "checkpoint-000004");
        Checkpoints::open(parent.path())
            .unwrap()
            .save(&5, vec![])
            .unwrap();
        assert_eq!(numbers(), ["checkpoint-000005"]);
    }

    #[test]
    fn only_a_complete_checkpoint_is_the_latest() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path();
        let open = || Checkpoints::open(folder).unwrap();
        let state = |checkpoints: &Checkpoints| {
            checkpoints
                .latest()
                .map(|checkpoint| checkpoint.json::<i32>(SEQUENCE_FILE).unwrap())
        };
        // An empty folder, a file and a folder with other content, all with numbers above the
        // checkpoint's.
        fs::create_dir(folder.join("checkpoint-000007")).unwrap();
        fs::write(folder.join("checkpoint-000008"), "a file").unwrap();
        fs::create_dir(folder.join("checkpoint-000009")).unwrap();
        fs::write(folder.join("checkpoint-000009").join("notes.txt"), "mine").unwrap();
        assert_eq!(open().latest(), None);
        let write_count = Cell::new(0);
        open().save(&1, vec![part("a-1", &write_count)]).unwrap();
        let checkpoints = open();
        assert_eq!(state(&checkpoints), Some(1));
        let saved_path = checkpoints.latest().unwrap().path().to_path_buf();
        assert_eq!(saved_path, folder.join("checkpoint-000010"));
        // Files and folders of others are still there.
        assert_eq!(
            fs::read(folder.join("checkpoint-000008")).unwrap(),
            b"a file"
        );
        assert!(folder.join("checkpoint-000009").join("notes.txt").is_file());

        // A newer folder without a sequence file, such as a copy in progress.
        let newer = folder.join("checkpoint-000011");
        fs::create_dir(&newer).unwrap();
        fs::copy(saved_path.join("a-1"), newer.join("a-1")).unwrap();
        assert_eq!(open().latest().unwrap().path(), saved_path);
        fs::copy(saved_path.join(SEQUENCE_FILE), newer.join(SEQUENCE_FILE)).unwrap();
        assert_eq!(open().latest().unwrap().path(), newer);
        // A damaged checkpoint still counts as complete: reading its part fails, and the run does
        // not start again from the first task.
        fs::remove_file(newer.join("a-1")).unwrap();
        let opened = open();
        let latest = opened.latest().unwrap();
        assert_eq!(latest.path(), newer);
        assert!(matches!(latest.read("a-1"), Err(ContinualError::Io { .. })));
        open().save(&2, vec![part("b-1", &write_count)]).unwrap();
        assert_eq!(state(&open()), Some(2));
    }

    #[test]
    fn a_failed_save_leaves_the_latest_checkpoint_as_it_was() {
        let parent = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::open(parent.path()).unwrap();
        checkpoints.save(&1, vec![]).unwrap();
        let failing_part = StatePart::bytes("big", || {
            Err(ContinualError::io("write", Path::new("big"))(
                std::io::ErrorKind::StorageFull.into(),
            ))
        });
        let write_count = Cell::new(0);
        let parts = vec![part("small", &write_count), failing_part];
        let error = checkpoints.save(&2, parts).unwrap_err();
        assert!(error.to_string().contains("big"), "{error}");
        // Neither this process nor the next one sees the failed checkpoint.
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        fs::create_dir(parent.path().join(".writing-left-behind")).unwrap();
        for opened in [&checkpoints, &Checkpoints::open(parent.path()).unwrap()] {
            let latest = opened.latest().unwrap();
            assert_eq!(latest.json::<i32>(SEQUENCE_FILE).unwrap(), 1);
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        fs::write(
            checkpoints.latest().unwrap().path().join(SEQUENCE_FILE),
            "{",
        )
        .unwrap();
        let error = checkpoints.latest().unwrap().json::<i32>(SEQUENCE_FILE);
        assert!(matches!(
            error,
            Err(ContinualError::BrokenCheckpoint { .. })
        ));
    }
}
