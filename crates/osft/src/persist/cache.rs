//! Splits on disk, found again by what they were made from.

use std::io::Write;
use std::path::{Path, PathBuf};

use burn::module::ParamId;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::calibration::Calibration;
use crate::config::OsftConfig;
use crate::error::OsftError;
use crate::linalg::hexadecimal;
use crate::module::Weight;
use crate::persist::{Format, Layout};
use crate::split::{FactorIds, Osft, SplitCache, SplitContext};

/// Part of every key: a layout, or a way to decompose, that changes must change the version.
const CACHED: Layout = Layout {
    format: Format {
        kind: "cached split",
        version: 2,
        oldest: 2,
        checked_since: 2,
    },
    with_weights: false,
};

impl SplitCache {
    /// The split of weights, from the folder if it is there; otherwise it is made and kept. A file that
    /// cannot be read is made anew; that a split cannot be kept is a warning of it and no error.
    pub(crate) fn split(
        &self,
        targets: &[Weight],
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Osft, OsftError> {
        let path = self.path(&key(targets, config, context)?);
        if let Ok(bytes) = std::fs::read(&path)
            && let Ok(mut split) = Osft::unpack_cached(CACHED, &bytes, targets, context)
        {
            renew_identities(&mut split);
            // The same, but with rules from outside this crate resolved.
            split.config = config.clone();
            return Ok(split);
        }
        let mut split = Osft::decomposed(targets, config, context)?;
        let packed = split.pack(CACHED).map_err(|error| error.to_string());
        let kept = packed.and_then(|bytes| write(&path, &bytes).map_err(|error| error.to_string()));
        if let Err(reason) = kept {
            split.warnings.push(format!(
                "the split could not be kept in {}: {reason}",
                self.folder().display()
            ));
        }
        Ok(split)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder().join(format!("{key}.safetensors"))
    }
}

/// Two modules with one split must not share the identities of what trains.
fn renew_identities(split: &mut Osft) {
    for layer in &mut split.layers {
        layer.core = layer.core.map(|_| ParamId::new());
        if let Some(factors) = &mut layer.factors {
            factors.ids = FactorIds::new();
        }
    }
}

/// Whole or not at all: another run may read at any time.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut unfinished = tempfile::Builder::new();
    unfinished.prefix(".writing-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less the process's mask, as for any new file: others may share the folder.
        unfinished.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = unfinished.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Hexadecimal SHA-256 of what a split depends on.
fn key(
    targets: &[Weight],
    config: &OsftConfig,
    context: &SplitContext<'_>,
) -> Result<String, OsftError> {
    let mut hash = Sha256::new();
    hash.update(CACHED.format.version.to_le_bytes());
    hash.update(env!("CARGO_PKG_VERSION"));
    let settings = serde_json::to_vec(config).map_err(|error| OsftError::BrokenState {
        kind: CACHED.format.kind,
        reason: error.to_string(),
    })?;
    hash.update(settings);
    if config.follows_tasks() {
        hash.update(context.progress().to_le_bytes());
    }
    let weights: Vec<_> = targets.par_iter().map(of_weight).collect();
    weights.iter().for_each(|weight| hash.update(weight));
    if let Some(calibration) = context.calibration {
        of_calibration(calibration, &mut hash);
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn of_weight(weight: &Weight) -> impl AsRef<[u8]> + use<> {
    let data = weight.base.clone().into_data();
    let mut hash = Sha256::new();
    hash.update(&weight.path);
    // That of the module too: a split of another one is refused, and must not be found.
    let dtypes = (weight.value.dtype(), data.dtype());
    hash.update(format!(" {dtypes:?} {:?} ", data.shape()));
    hash.update(data.as_bytes());
    hash.finalize()
}

fn of_calibration(calibration: &Calibration, hash: &mut Sha256) {
    let moments = calibration.moments.par_iter();
    let moments: Vec<_> = moments
        .map(|moment| {
            let mut hash = Sha256::new();
            let parts = moment.parts();
            parts.iter().for_each(|part| hash.update(part.as_bytes()));
            hash.finalize()
        })
        .collect();
    moments.iter().for_each(|moment| hash.update(moment));
    for layer in &calibration.layers {
        hash.update(format!(" {} {} ", layer.path, layer.moment));
        let scores = [layer.cosine, layer.linear_cka];
        hash.update(format!("{:?}", scores.map(|score| score.map(f64::to_bits))));
    }
}
