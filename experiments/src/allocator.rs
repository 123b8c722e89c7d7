//! How glibc hands out memory.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// glibc reads these when a process starts, and only then.
///
/// One arena: what a split freed on other threads is otherwise kept for those threads, half a gigabyte for
/// a model of 135 million parameters. And no block is so large that it goes back to the system when it is
/// dropped: the next tensor of its size would be given new pages, each of them cleared first, which takes a
/// tenth to a fifth of a training step. Since all threads share the arena, each keeps more small blocks to
/// itself (8 MB at most): without, threads that tokenize wait for each other, half of their time.
const SETTINGS: [(&str, &str); 4] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "4294967296"),
    ("MALLOC_TRIM_THRESHOLD_", "17179869184"),
    ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=256"),
];

/// Starts this program anew, in the same process, with glibc's settings for large tensors; once, and not
/// where any of them is set already.
pub fn settle() {
    let is_set = |(name, _): &(&str, &str)| std::env::var_os(name).is_some();
    if SETTINGS.iter().any(is_set) {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    // Only returns if it fails, and then everything works as well, only slower.
    let _ = Command::new(program)
        .arg0(name)
        .args(arguments)
        .envs(SETTINGS)
        .exec();
}
