//! Finding the weight files of a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::LmError;
use crate::files::read_json;

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// The weight files of a folder.
pub(super) struct WeightFiles {
    /// One file, or the shards that an index names; all of them are present.
    pub files: Vec<PathBuf>,
    /// The shard of every tensor according to the index; empty without one.
    pub map: BTreeMap<String, String>,
}

/// Finds the weight files of a folder.
pub(super) fn weight_files(folder: &Path) -> Result<WeightFiles, LmError> {
    let single = folder.join(SINGLE);
    if single.is_file() {
        return Ok(WeightFiles {
            files: vec![single],
            map: BTreeMap::new(),
        });
    }
    let missing = |expected: String| LmError::MissingFile {
        folder: folder.to_path_buf(),
        expected,
    };
    if !folder.join(INDEX).is_file() {
        return Err(missing(format!("{SINGLE} or {INDEX}")));
    }
    let index = read_json(folder, INDEX)?;
    let map: Option<BTreeMap<String, String>> = index["weight_map"].as_object().and_then(|map| {
        let entry = |(name, file): (&String, &Value)| {
            let file = file.as_str()?;
            Some((name.clone(), file.to_string()))
        };
        map.iter().map(entry).collect()
    });
    let Some(map) = map.filter(|map| !map.is_empty()) else {
        return Err(LmError::Json {
            path: folder.join(INDEX),
            reason: "expected an object `weight_map` from tensor names to files".to_string(),
        });
    };
    let shards: BTreeSet<&String> = map.values().collect();
    for shard in &shards {
        // An index may come from an unknown source: it may only name files in its own folder.
        if Path::new(shard).components().count() != 1 || !folder.join(shard).is_file() {
            return Err(missing(format!("{shard}, which {INDEX} names")));
        }
    }
    Ok(WeightFiles {
        files: shards.iter().map(|shard| folder.join(shard)).collect(),
        map,
    })
}
