//! A cache of splits on disk, found by a hash of everything that a split depends on.

use std::io::Write;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
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

/// The version is part of every key: increase it whenever the layout or the decomposition changes.
const CACHED: Layout = Layout {
    format: Format {
        kind: "cached split",
        version: 2,
        oldest: 2,
        checked_since: 2,
    },
    unscaled_version: 2,
    with_weights: false,
};

impl SplitCache {
    /// Loads the split of these weights from the folder, or makes and saves it. A file that cannot be read is
    /// replaced. If the split cannot be saved, it gets a warning; that is not an error.
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
            // Equal, but with custom rules resolved.
            split.config = config.clone();
            return Ok(split);
        }
        let mut split = Osft::decomposed(targets, config, context)?;
        let packed = split.pack(CACHED).map_err(|error| error.to_string());
        let saved =
            packed.and_then(|bytes| write(&path, &bytes).map_err(|error| error.to_string()));
        if let Err(reason) = saved {
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

/// Gives cores and factors new identities: two modules with one cached split must not share trainable
/// parameters.
fn renew_identities(split: &mut Osft) {
    for layer in &mut split.layers {
        layer.core = layer.core.map(|_| ParamId::new());
        if let Some(factors) = &mut layer.factors {
            factors.ids = FactorIds::new();
        }
    }
}

/// Writes a file whole or not at all, since another run may read it at any time.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Hexadecimal SHA-256 of everything that a split depends on.
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
        hash.update(context.task().to_le_bytes());
    }
    if context.retains_nothing {
        hash.update("retains nothing");
    }
    let weights: Vec<_> = targets.par_iter().map(weight_digest).collect();
    weights.iter().for_each(|weight| hash.update(weight));
    if let Some(calibration) = context.calibration {
        hash_calibration(calibration, &mut hash);
    }
    Ok(hexadecimal(&hash.finalize()))
}

fn weight_digest(weight: &Weight) -> impl AsRef<[u8]> + use<> {
    let data = weight.base.clone().into_data();
    let mut hash = Sha256::new();
    hash.update(&weight.path);
    // The module's own type is hashed too, since a split for another type would be refused.
    let dtypes = (weight.value.dtype(), data.dtype());
    hash.update(format!(" {dtypes:?} {:?} ", data.shape()));
    hash.update(data.as_bytes());
    hash.finalize()
}

fn hash_calibration(calibration: &Calibration, hash: &mut Sha256) {
    // Those of the inputs, and of the gradients where they were summed too.
    let gradients = calibration
        .layers
        .iter()
        .filter_map(|layer| layer.gradients.as_ref());
    let moments: Vec<_> = calibration.moments.iter().chain(gradients).collect();
    let moments: Vec<_> = moments
        .into_par_iter()
        .map(|moment| {
            let mut hash = Sha256::new();
            let parts = moment.parts();
            parts.iter().for_each(|part| hash.update(part.as_bytes()));
            moment
                .added_parts()
                .for_each(|part| hash.update(part.as_bytes()));
            hash.finalize()
        })
        .collect();
    moments.iter().for_each(|moment| hash.update(moment));
    for union in &calibration.unions {
        union
            .parts()
            .iter()
            .for_each(|part| hash.update(part.as_bytes()));
    }
    for layer in &calibration.layers {
        hash.update(format!(" {} {} ", layer.path, layer.moment));
        for (name, score) in &layer.scores {
            hash.update(format!("{name} {} ", score.to_bits()));
        }
    }
}
