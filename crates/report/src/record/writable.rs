//! Whether a folder can be written, asked before hours of work that end there.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// As much as a file of results has at least: a disk without room is found as well.
const PROBE_BYTES: usize = 4096;

/// Checks that a command can write into `out`, or can make it: the folder itself, or the nearest one above it that is there.
/// Nothing is left behind.
///
/// # Errors
///
/// If a file is in its place or above it, or nothing can be written there.
pub fn check_writable(out: &Path) -> Result<()> {
    let shown = out.display();
    for place in out.ancestors() {
        let place = match place.as_os_str().is_empty() {
            true => Path::new("."),
            false => place,
        };
        match place.symlink_metadata() {
            Ok(_) => {
                ensure!(
                    place.is_dir(),
                    "{shown} cannot be a folder, because {} is none: choose another --out",
                    place.display()
                );
                return probe(place).with_context(|| {
                    format!(
                        "cannot write {shown}, where the results would go: choose another --out"
                    )
                });
            }
            // Below a file there is nothing either; the file itself comes next.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot read {}: choose another --out", place.display())
                });
            }
        }
    }
    bail!("{shown} is in no folder: choose another --out")
}

fn probe(folder: &Path) -> Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; PROBE_BYTES])?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_there_or_can_be_made_pass_and_are_left_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        for out in ["", "new", "new/deeper"] {
            check_writable(&folder.path().join(out)).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        check_writable(Path::new("a-name-without-a-folder")).unwrap();
    }

    #[test]
    fn a_file_in_its_place_or_above_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for out in ["file", "file/run", "file/run/deeper"] {
            let error = check_writable(&folder.path().join(out)).unwrap_err();
            let words = format!("because {} is none", file.display());
            assert!(error.to_string().contains(&words), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_takes_no_file_is_refused_even_to_the_administrator() {
        let error = check_writable(Path::new("/proc/run")).unwrap_err();
        assert!(
            error.to_string().contains("cannot write /proc/run"),
            "{error}"
        );
    }
}
