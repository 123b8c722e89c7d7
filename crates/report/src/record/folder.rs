//! The folder of a run.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{check_writable, flush_entry};

/// Default parent folder of runs.
const DEFAULT_PARENT: &str = "runs";

/// Prefix of the names of unfinished files.
const UNFINISHED: &str = ".writing-";

/// A folder that a run fills.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Checks that [`create`](Self::create) can make `out`, or the default folder, and write into it.
    ///
    /// # Errors
    ///
    /// As there, before anything is made.
    pub fn check(out: Option<&Path>) -> Result<()> {
        let path = out.unwrap_or(Path::new(DEFAULT_PARENT));
        check_writable(path)?;
        match out.is_some() && path.exists() {
            true => check_empty(path),
            false => Ok(()),
        }
    }

    /// Creates `out`, which must be absent or empty; by default the next free `runs/NAME-N`.
    ///
    /// # Errors
    ///
    /// If the folder is not empty or cannot be created.
    pub fn create(out: Option<&Path>, name: &str) -> Result<Self> {
        let cannot = |path: &Path| format!("cannot create the run's folder {}", path.display());
        if let Some(path) = out {
            check_writable(path)?;
            std::fs::create_dir_all(path).with_context(|| cannot(path))?;
            check_empty(path)?;
            return Ok(Self(path.to_path_buf()));
        }
        let parent = Path::new(DEFAULT_PARENT);
        check_writable(parent)?;
        std::fs::create_dir_all(parent).with_context(|| cannot(parent))?;
        for number in 1_u64.. {
            let path = parent.join(format!("{name}-{number}"));
            // Only one process makes it: another one takes the next number.
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| cannot(&path)),
            }
        }
        bail!("no free name for the run's folder")
    }

    /// Opens a folder that may already contain results, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// If it cannot be created or written.
    pub fn reopen(path: &Path) -> Result<Self> {
        check_writable(path)?;
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot create the folder {}", path.display()))?;
        Ok(Self(path.to_path_buf()))
    }

    /// Opens the folder of a run to resume, and removes what an interrupted process left
    /// unfinished.
    ///
    /// # Errors
    ///
    /// If it cannot be read or cleaned.
    pub fn take_up(path: &Path) -> Result<Self> {
        let entries =
            std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(UNFINISHED) {
                let removed = match path.is_dir() {
                    true => std::fs::remove_dir_all(&path),
                    false => std::fs::remove_file(&path),
                };
                removed.with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(Self(path.to_path_buf()))
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file completely or not at all.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written; an existing file then stays as it was.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<()> {
        self.write_with(name, |unfinished| {
            std::fs::write(unfinished, contents)
                .with_context(|| format!("cannot write {}", self.0.join(name).display()))
        })
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.0.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Writes a file completely or not at all; `write` fills it at the path that it receives. A process that
    /// is killed leaves at most what [`take_up`](Self::take_up) removes.
    ///
    /// # Errors
    ///
    /// The errors of [`write`](Self::write) and of the function `write`.
    pub fn write_with(&self, name: &str, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let scratch = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.0)
            .with_context(|| format!("cannot write in {}", self.0.display()))?;
        let unfinished = scratch.path().join(name);
        write(&unfinished)?;
        let path = self.0.join(name);
        flush_entry(&unfinished)?;
        std::fs::rename(&unfinished, &path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        flush_entry(&self.0)
    }
}

fn check_empty(path: &Path) -> Result<()> {
    let mut entries = std::fs::read_dir(path)
        .with_context(|| format!("cannot read the run's folder {}", path.display()))?;
    ensure!(
        entries.next().is_none(),
        "{} is not empty; choose another --out, so that no result is overwritten",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn results_are_never_overwritten_and_files_are_replaced_as_a_whole() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let folder = RunFolder::create(Some(&path), "trace").unwrap();
        folder.write("a.txt", b"one").unwrap();
        folder.write("a.txt", b"two").unwrap();
        assert_eq!(std::fs::read(path.join("a.txt")).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        let error = RunFolder::create(Some(&path), "trace").unwrap_err();
        assert!(error.to_string().contains("--out"), "{error}");

        std::fs::write(path.join(".writing-x"), "half").unwrap();
        std::fs::create_dir(path.join(".writing-y")).unwrap();
        let folder = RunFolder::take_up(&path).unwrap();
        folder
            .write_with("b.txt", |file| Ok(std::fs::write(file, "whole")?))
            .unwrap();
        let failed = folder.write_with("c.txt", |file| {
            std::fs::write(file, "half")?;
            anyhow::bail!("no more")
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        let mut names: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["a.txt", "b.txt"]);
    }
}
