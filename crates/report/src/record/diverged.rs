//! A run that ended because its loss or a gradient was not finite: a result too, and not run again.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::result::{DIVERGED, diverged_file, result_file};
use super::{Identity, REVISION, RunFolder};

/// `diverged-METHOD-KEY-seedN.json`: a run that has no scores, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DivergedRun {
    /// The method and its variant, as reports show it.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// What was not finite, and where.
    pub reason: String,
    /// Revision of the program that ran it.
    pub revision: String,
    /// The identity that its result would have had.
    pub identity: Identity,
}

impl DivergedRun {
    /// The record of a run that has just ended.
    pub fn new(
        method: &str,
        seed: u64,
        learning_rate: f64,
        reason: String,
        identity: &Identity,
    ) -> Self {
        Self {
            method: method.to_string(),
            seed,
            learning_rate,
            reason,
            revision: REVISION.to_string(),
            identity: identity.clone(),
        }
    }

    /// Reads the record of a run; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the file exists but cannot be read.
    pub fn read(folder: &Path, stem: &str) -> Result<Option<Self>> {
        let path = folder.join(diverged_file(stem));
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let record =
            serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        Ok(Some(record))
    }

    /// Reads the records of all runs in a folder that diverged, in the order of their files.
    ///
    /// # Errors
    ///
    /// If the folder or a record cannot be read.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("cannot read the run's folder {}", folder.display()))?;
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let stem = |name: String| {
            let rest = name.strip_prefix(DIVERGED)?;
            rest.strip_suffix(".json").map(str::to_string)
        };
        let mut stems: Vec<String> = names.filter_map(stem).collect();
        stems.sort();
        let records = stems.iter().map(|stem| Self::read(folder, stem));
        records.filter_map(Result::transpose).collect()
    }

    /// Writes the record. It takes the place of the run's result: one without what was measured this time.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn write(&self, folder: &RunFolder, stem: &str) -> Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        folder.write(&diverged_file(stem), json.as_bytes())?;
        folder.remove(&result_file(stem))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use toml::Table;

    use super::*;
    use crate::record::{Contents, RunResult};

    #[test]
    fn a_run_ended_in_one_way_and_the_later_one_counts() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(Some(&parent.path().join("run")), "compare").unwrap();
        let identity = Identity::new(Table::new(), &Table::new(), Contents::default()).unwrap();
        let result: RunResult = serde_json::from_value(serde_json::json!({
            "method": "m", "seed": 0, "learning_rate": 1e-3, "tasks": ["a"], "scores": [[null], [1.0]],
            "general": null, "trainable_parameters": 1, "training_seconds": 1.0,
        }))
        .unwrap();
        let diverged = DivergedRun::new("m", 0, 1e-3, "a loss".to_string(), &identity);
        let found = || {
            let scored = RunResult::read(&folder, "m").unwrap().is_some();
            let diverged = DivergedRun::read(folder.path(), "m").unwrap().is_some();
            (scored, diverged)
        };
        result.write_alone(&folder, "m").unwrap();
        assert_eq!(found(), (true, false));
        diverged.write(&folder, "m").unwrap();
        assert_eq!(found(), (false, true));
        result.write_alone(&folder, "m").unwrap();
        assert_eq!(found(), (true, false));
    }
}
