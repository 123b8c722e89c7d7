//! Whether a learning rate was tuned under the current settings.

use anyhow::Result;
use report::hash::{canonical, sha256, shortened};
use toml::{Table, Value};

use super::RunConfig;

/// Settings that do not affect a tuned rate: which rows are scored, how many, and how.
const STILL_TUNED: [&str; 9] = [
    "backend",
    "limit_train",
    "limit_per_class",
    "limit_test",
    "general_rows",
    "scoring",
    "label_scores",
    "evaluation_batch",
    "decoding",
];

impl RunConfig {
    /// What a tuned rate holds for: a short hash of the method's settings, including the rate, and
    /// of the locations of model and data.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written as TOML.
    pub fn tuned_for(&self, method: &str) -> Result<String> {
        let mut settings: Table = self.key_settings(method)?;
        settings.retain(|key, _| !STILL_TUNED.contains(&key));
        let path = |path: &Option<std::path::PathBuf>| {
            let path = path
                .as_ref()
                .map(|path| path.to_string_lossy().into_owned());
            Value::from(path.unwrap_or_default())
        };
        settings.insert(
            "benchmark".to_string(),
            Value::from(self.benchmark.as_str()),
        );
        settings.insert("model".to_string(), path(&self.model));
        settings.insert("data".to_string(), path(&self.data));
        if self.calibration_use(method).reads_base_rows() {
            settings.insert("text".to_string(), path(&self.calibration.text));
            if let questions @ Some(_) = &self.calibration.questions {
                settings.insert("questions".to_string(), path(questions));
            }
        }
        let text = canonical(&serde_json::to_value(settings)?);
        Ok(shortened(&sha256(text.as_bytes())).to_string())
    }

    /// Whether the learning rate of a method was tuned with exactly these settings.
    pub fn is_tuned(&self, method: &str) -> bool {
        let marked = self.tuned.get(method);
        marked.is_some_and(|hash| self.tuned_for(method).is_ok_and(|own| own == *hash))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::registries::Registries;
    use crate::settings::{Overrides, RunConfig};

    #[test]
    fn a_rate_for_one_order_that_no_method_takes_is_refused() {
        let set = ["by_order.2.train.learning_rate=0.5".to_string()];
        let overrides = Overrides {
            set: &set,
            ..Overrides::default()
        };
        let config = RunConfig::resolve(&Registries::builtin(), "trace", false, &overrides);
        let refused = config.and_then(|config| config.with_order("2").map(drop));
        let error = format!("{:#}", refused.unwrap_err());
        assert!(error.contains("would have no effect"), "{error}");
    }
}
