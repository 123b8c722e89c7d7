//! Files that outlive a crash of the machine.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};

/// Flushes a file, or a folder and all that is in it, to disk. A rename alone survives a crash of the program, but not one of
/// the machine.
///
/// # Errors
///
/// If something in it cannot be read or flushed.
pub fn flush(path: &Path) -> Result<()> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path);
        for entry in entries.with_context(|| format!("cannot read {}", path.display()))? {
            flush(&entry?.path())?;
        }
    }
    flush_entry(path)
}

/// Flushes a file, or the names in a folder, to disk.
///
/// # Errors
///
/// If it cannot be flushed.
pub fn flush_entry(path: &Path) -> Result<()> {
    // Windows cannot open a folder as a file and needs no flush of one.
    if cfg!(windows) && path.is_dir() {
        return Ok(());
    }
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}
