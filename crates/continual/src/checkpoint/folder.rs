//! A folder of checkpoints, each of which is there whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Checkpoint, SEQUENCE_FILE, StatePart};
use crate::error::ContinualError;

/// What a checkpoint that is being written is called, until it is renamed.
const UNFINISHED: &str = ".writing-";
const FINISHED: &str = "checkpoint-";

/// The checkpoints of one run. A new one replaces the one before once it is on disk.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    latest: Option<(u64, Checkpoint)>,
    /// Above the numbers of all that is called a checkpoint, complete or not.
    next: u64,
}

impl Checkpoints {
    /// Opens the folder of a run's checkpoints, which is created with the first of them; what a
    /// process left unfinished is removed. Only a folder that says where the sequence stands
    /// ([`SEQUENCE_FILE`]) counts as a checkpoint: an empty one, or a file, that is called like one is left
    /// where it is.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ContinualError> {
        let folder = folder.into();
        let mut latest: Option<(u64, Checkpoint)> = None;
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
                let newer = latest.as_ref().is_none_or(|(other, _)| number > *other);
                if newer && entry.path().join(SEQUENCE_FILE).is_file() {
                    latest = Some((number, Checkpoint { path: entry.path() }));
                }
            }
        }
        Ok(Self {
            folder,
            latest,
            next,
        })
    }

    /// The last checkpoint.
    pub fn latest(&self) -> Option<&Checkpoint> {
        self.latest.as_ref().map(|(_, checkpoint)| checkpoint)
    }

    /// Saves a checkpoint of `parts` and of where the sequence stands, its [`SEQUENCE_FILE`], and removes
    /// the one before. Parts that the one before has are not written again.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`] and what keeps a part from being made; the last checkpoint is then
    /// as it was.
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
        for part in parts {
            let path = unfinished.path().join(part.name());
            if !self.linked(part.name(), &path) {
                part.write_to(&path)?;
                synchronize(&path)?;
            }
        }
        let path = unfinished.path().join(SEQUENCE_FILE);
        let json = serde_json::to_vec(sequence).map_err(ContinualError::saving(&path))?;
        fs::write(&path, json).map_err(io("write", &path))?;
        synchronize(&path)?;
        synchronize(unfinished.path())?;

        let number = self.next;
        let path = self.folder.join(format!("{FINISHED}{number:06}"));
        fs::rename(unfinished.path(), &path).map_err(io("write", &path))?;
        // It has another name now: there is nothing left to clean up.
        let _ = unfinished.keep();
        synchronize(&self.folder)?;
        self.next = number + 1;
        let before = self.latest.replace((number, Checkpoint { path }));
        match before {
            Some((_, before)) => remove(before.path()),
            None => Ok(()),
        }
    }

    /// Removes all checkpoints: the run is finished.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`].
    pub fn clear(&mut self) -> Result<(), ContinualError> {
        (self.latest, self.next) = (None, 0);
        match self.folder.is_dir() {
            true => remove(&self.folder),
            false => Ok(()),
        }
    }

    /// Whether the last checkpoint has a part, which then has a second name at `path`.
    fn linked(&self, name: &str, path: &Path) -> bool {
        let Some(latest) = self.latest() else {
            return false;
        };
        let source = latest.path().join(name);
        // Where the file system has no second names the part is written again.
        source.is_file() && fs::hard_link(source, path).is_ok()
    }
}

fn remove(folder: &Path) -> Result<(), ContinualError> {
    fs::remove_dir_all(folder).map_err(ContinualError::io("remove", folder))
}

/// What a name stands for is on disk before the name is used: a rename alone survives a crash of
/// the program, not one of the machine.
fn synchronize(path: &Path) -> Result<(), ContinualError> {
    // Windows cannot open a folder as a file, and needs no such step.
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

    fn part<'a>(name: &str, made: &'a Cell<usize>) -> StatePart<'a> {
        StatePart::bytes(name, || {
            made.set(made.get() + 1);
            Ok(vec![7; 5])
        })
    }

    #[test]
    fn a_checkpoint_replaces_the_one_before_and_shares_its_parts() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("run");
        let mut checkpoints = Checkpoints::open(&folder).unwrap();
        assert!(checkpoints.latest().is_none());
        let made = Cell::new(0);
        for (header, parts) in [(1, vec!["a-1"]), (2, vec!["a-1", "b-1"]), (3, vec!["b-1"])] {
            let parts = parts.into_iter().map(|name| part(name, &made)).collect();
            checkpoints.save(&header, parts).unwrap();
            let again = Checkpoints::open(&folder).unwrap();
            let latest = again.latest().unwrap();
            assert_eq!(latest.json::<i32>(SEQUENCE_FILE).unwrap(), header);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        }
        assert_eq!(made.get(), 2, "each part is made once");
        let latest = checkpoints.latest().unwrap().clone();
        assert_eq!(latest.find("b-"), Some("b-1".to_string()));
        assert_eq!(latest.find("a-"), None);
        assert_eq!(latest.read("b-1").unwrap(), [7; 5]);
        checkpoints.clear().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn only_a_complete_checkpoint_is_the_latest() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path();
        let open = || Checkpoints::open(folder).unwrap();
        let state = |of: &Checkpoints| {
            of.latest()
                .map(|one| one.json::<i32>(SEQUENCE_FILE).unwrap())
        };
        // An empty folder, a file, a folder of something else, each with a number above the others.
        fs::create_dir(folder.join("checkpoint-000007")).unwrap();
        fs::write(folder.join("checkpoint-000008"), "a file").unwrap();
        fs::create_dir(folder.join("checkpoint-000009")).unwrap();
        fs::write(folder.join("checkpoint-000009").join("notes.txt"), "mine").unwrap();
        assert_eq!(open().latest(), None);
        let made = Cell::new(0);
        open().save(&1, vec![part("a-1", &made)]).unwrap();
        let checkpoints = open();
        assert_eq!(state(&checkpoints), Some(1));
        let kept = checkpoints.latest().unwrap().path().to_path_buf();
        assert_eq!(kept, folder.join("checkpoint-000010"));
        // What was not ours is still there.
        assert_eq!(
            fs::read(folder.join("checkpoint-000008")).unwrap(),
            b"a file"
        );
        assert!(folder.join("checkpoint-000009").join("notes.txt").is_file());

        // A newer one that never said where the sequence stands, as one that is being copied.
        let newer = folder.join("checkpoint-000011");
        fs::create_dir(&newer).unwrap();
        fs::copy(kept.join("a-1"), newer.join("a-1")).unwrap();
        assert_eq!(open().latest().unwrap().path(), kept);
        fs::copy(kept.join(SEQUENCE_FILE), newer.join(SEQUENCE_FILE)).unwrap();
        assert_eq!(open().latest().unwrap().path(), newer);
        // Damage is no incompleteness: it is found when the part is read, and the run does not begin anew.
        fs::remove_file(newer.join("a-1")).unwrap();
        let opened = open();
        let latest = opened.latest().unwrap();
        assert_eq!(latest.path(), newer);
        assert!(matches!(latest.read("a-1"), Err(ContinualError::Io { .. })));
        open().save(&2, vec![part("b-1", &made)]).unwrap();
        assert_eq!(state(&open()), Some(2));
    }

    #[test]
    fn what_cannot_be_saved_leaves_the_last_one_alone() {
        let parent = tempfile::tempdir().unwrap();
        let mut checkpoints = Checkpoints::open(parent.path()).unwrap();
        checkpoints.save(&1, vec![]).unwrap();
        let full = StatePart::bytes("big", || {
            Err(ContinualError::io("write", Path::new("big"))(
                std::io::ErrorKind::StorageFull.into(),
            ))
        });
        let made = Cell::new(0);
        let parts = vec![part("small", &made), full];
        let error = checkpoints.save(&2, parts).unwrap_err();
        assert!(error.to_string().contains("big"), "{error}");
        // Neither this process nor the next sees anything of it.
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
