//! Whose learning rate was found by tuning, under these settings.

use anyhow::Result;
use toml::Table;

use super::{MethodName, RunConfig};

/// Settings under which a rate stays a tuned one: what a run is scored on, and how much of the rows.
const STILL_TUNED: [&str; 7] = [
    "backend",
    "limit_train",
    "limit_per_class",
    "limit_test",
    "scoring",
    "evaluation_batch",
    "decoding",
];

impl RunConfig {
    /// Leaves those methods marked as tuned whose rate and settings are still those of `base`.
    ///
    /// # Errors
    ///
    /// If settings cannot be compared.
    pub(super) fn unmark_changed(&mut self, base: &Self) -> Result<()> {
        let same = |method: MethodName| -> Result<bool> {
            let of = |config: &Self| -> Result<Table> {
                let mut settings = config.key_settings(method)?;
                settings.retain(|key, _| !STILL_TUNED.contains(&key));
                Ok(settings)
            };
            let read = |config: &Self| {
                let text = config
                    .osft_config(method)
                    .and(config.calibration.text.clone());
                (config.model.clone(), config.data.clone(), text)
            };
            Ok(read(self) == read(base) && of(self)? == of(base)?)
        };
        let mut kept = Vec::new();
        for &method in &self.tuned {
            if same(method)? {
                kept.push(method);
            }
        }
        self.tuned = kept;
        Ok(())
    }

    /// Whether the learning rate of a method was found by tuning.
    pub fn is_tuned(&self, method: MethodName) -> bool {
        self.tuned.contains(&method)
    }
}
