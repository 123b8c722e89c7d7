//! Where compiled kernels stay between runs: NVRTC takes half a second or more for each, and a step needs hundreds.

use std::path::PathBuf;
use std::sync::Once;

use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use report::record::user_cache;

/// Asks cubecl to keep compiled kernels, and the choices among them, in `kernels` of this program's folder for caches.
///
/// To have an effect it comes before the first device is opened: cubecl reads its configuration once.
///
/// # References
///
/// `cubecl.toml` and the environment variables of cubecl count as they do without this, except for what [`kept`] says.
pub(super) fn keep_kernels() {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        let config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        // Refused if a program of one's own has configured cubecl already: then its choice holds.
        CubeClRuntimeConfig::try_set(kept(config, user_cache()));
    });
}

/// A configuration with kernels kept. cubecl's default place is `target` of the Cargo project that the user stands in,
/// which may be anybody's; a place that the user chose stays.
fn kept(mut config: CubeClRuntimeConfig, cache: Option<PathBuf>) -> CubeClRuntimeConfig {
    config.compilation.cache = true;
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = match cache {
            Some(cache) => CacheConfig::Directory(cache.join("kernels")),
            None => CacheConfig::Global,
        };
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_kept_in_the_cache_unless_the_user_chose_a_place() {
        let place = |path, cache: Option<&str>| {
            let mut config = CubeClRuntimeConfig::default();
            config.environment.path = path;
            let config = kept(config, cache.map(PathBuf::from));
            assert!(config.compilation.cache);
            config.environment.path
        };
        let kernels = place(CacheConfig::default(), Some("/cache"));
        assert!(
            matches!(kernels, CacheConfig::Directory(path) if path == PathBuf::from("/cache/kernels"))
        );
        assert!(matches!(
            place(CacheConfig::default(), None),
            CacheConfig::Global
        ));
        assert!(matches!(
            place(CacheConfig::Local, Some("/cache")),
            CacheConfig::Local
        ));
    }
}
