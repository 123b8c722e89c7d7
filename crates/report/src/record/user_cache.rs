//! Where this program keeps what it can find again.

use std::path::PathBuf;

/// `osft` in the user's folder for caches: `XDG_CACHE_HOME`, or `.cache` in the home folder; `None` if neither is known.
pub fn user_cache() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(caches?.join("osft"))
}
