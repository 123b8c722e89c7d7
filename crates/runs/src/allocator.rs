//! How glibc hands out memory.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// glibc reads these when a process starts, and only then.
///
/// One arena: what a split freed on other threads is otherwise kept for those threads, half a gigabyte for
/// a model of 135 million parameters. And no block is so large that it goes back to the system when it is
/// dropped: the next tensor of its size would be given new pages, each of them cleared first, which takes a
/// tenth to a fifth of a training step.
const SETTINGS: [(&str, &str); 3] = [
    (ARENAS, "1"),
    ("MALLOC_MMAP_THRESHOLD_", "4294967296"),
    ("MALLOC_TRIM_THRESHOLD_", "17179869184"),
];

const ARENAS: &str = "MALLOC_ARENA_MAX";

/// Bytes of rows from which on an arena for every thread pays: those that tokenize wait for each other in
/// one. `validate` took 36 s for 100,000 rows of 118 tokens on two cores with one arena, 10 to 13 with two,
/// 8 with three; an OSFT step of a model of 135 million parameters took 4 % more memory with two.
const MUCH_TEXT: u64 = 16 << 20;

/// Starts this program anew, in the same process, with glibc's settings for large tensors; once, and not
/// where any of them is set already. `data` are the folders and files of the rows that will be read, where they are
/// named.
pub fn settle(data: &[PathBuf]) {
    let is_set = |(name, _): &(&str, &str)| std::env::var_os(name).is_some();
    if SETTINGS.iter().any(is_set) {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    let bytes: u64 = data.iter().map(|data| bytes_below(data, 3)).sum();
    let arenas = match bytes >= MUCH_TEXT {
        // Every thread that tokenizes, and the one that waits for them.
        true => std::thread::available_parallelism().map_or(1, usize::from) + 1,
        false => 1,
    };
    // Only returns if it fails, and then everything works as well, only slower.
    let _ = Command::new(program)
        .arg0(name)
        .args(arguments)
        .envs(SETTINGS)
        .env(ARENAS, arenas.to_string())
        .exec();
}

/// Size of a file, or of all files in a folder and the folders in it, so many levels deep.
fn bytes_below(folder: &Path, levels: usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return std::fs::metadata(folder).map_or(0, |file| file.len());
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(metadata) if metadata.is_dir() && levels > 1 => bytes_below(&entry.path(), levels - 1),
        _ => 0,
    });
    sizes.sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_so_many_levels_deep() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        std::fs::create_dir_all(&deep).unwrap();
        for (path, bytes) in [("x", 1), ("a/x", 20), ("a/b/x", 300), ("a/b/c/x", 4000)] {
            std::fs::write(folder.path().join(path), vec![0; bytes]).unwrap();
        }
        assert_eq!(bytes_below(folder.path(), 3), 321);
        assert_eq!(bytes_below(&deep, 3), 4000);
        assert_eq!(bytes_below(&deep.join("x"), 3), 4000);
        assert_eq!(bytes_below(Path::new("/nowhere"), 3), 0);
    }
}
