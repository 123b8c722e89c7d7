//! Which files of a folder hold the weights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::LmError;
use crate::files::read_json;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The weight files of a folder: one, or the shards its index names, all of them present.
pub(super) fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, LmError> {
    let single = folder.join(SINGLE);
    if single.is_file() {
        return Ok(vec![single]);
    }
    let missing = |expected: String| LmError::MissingFile {
        folder: folder.to_path_buf(),
        expected,
    };
    if !folder.join(INDEX).is_file() {
        return Err(missing(format!("{SINGLE} or {INDEX}")));
    }
    let index = read_json(folder, INDEX)?;
    let shards: BTreeSet<&str> = index["weight_map"]
        .as_object()
        .into_iter()
        .flat_map(|map| map.values().filter_map(|file| file.as_str()))
        .collect();
    if shards.is_empty() {
        return Err(LmError::Json {
            path: folder.join(INDEX),
            reason: "expected an object `weight_map` from tensor names to files".to_string(),
        });
    }
    for shard in &shards {
        // An index comes from elsewhere; it may only name files beside itself.
        if Path::new(shard).components().count() != 1 || !folder.join(shard).is_file() {
            return Err(missing(format!("{shard}, which {INDEX} names")));
        }
    }
    Ok(shards.iter().map(|shard| folder.join(shard)).collect())
}
