//! Checks the settings.

use std::fmt::Display;

use anyhow::{Context, Result, bail, ensure};
use continual::method::CalibrationUse;
use continual::trainer::TrainConfig;

use super::RunConfig;

/// The minutes of a year, as an upper limit of the time between checkpoints.
const MOST_MINUTES: f64 = 525_600.0;

/// Settings that are the same for all orders of a run.
const ONE_FOR_ALL: [&str; 13] = [
    "backend",
    "benchmark",
    "by_order",
    "calibration",
    "checkpoints",
    "compare",
    "data",
    "model",
    "order",
    "seeds",
    "split_cache",
    "suites",
    "tune_grid",
];

impl RunConfig {
    /// Checks the range of every setting, and settings that depend on each other.
    pub(super) fn validate(&self) -> Result<()> {
        ensure!(
            !self.compare.is_empty(),
            "compare is empty: name at least one method"
        );
        ensure!(!self.seeds.is_empty(), "seeds is empty: name at least one");
        named_once("seed", &self.seeds)?;
        named_once("order", &self.orders())?;
        ensure!(
            self.max_length >= 8,
            "max_length = {} is too short; it must be at least 8 tokens",
            self.max_length
        );
        ensure!(
            self.evaluation_batch > 0,
            "evaluation_batch must be at least 1"
        );
        for (order, changes) in &self.by_order {
            if let Some(key) = changes
                .keys()
                .find(|key| ONE_FOR_ALL.contains(&key.as_str()))
            {
                bail!("by_order.{order}.{key}: {key} is one for all orders of a run");
            }
        }
        named_once("method", &self.compare)?;
        for method in &self.compare {
            self.kind(method)?;
            self.train_config(method)
                .validate()
                .with_context(|| format!("settings of {method}"))?;
            self.kind(method)?
                .check_optimizer(self.train.optimizer)
                .with_context(|| format!("settings of {method}"))?;
            ensure!(
                self.calibration.has_base()
                    || self.calibration_use(method) != CalibrationUse::Needed,
                "{} looks at the inputs of the layers, but calibration.base_rows and \
                 calibration.base_total_tokens are 0 (a split by weights does so for a bound)",
                self.label(method)?
            );
        }
        ensure!(
            !self.tune_grid.is_empty(),
            "tune_grid is empty: name at least one rate"
        );
        named_once("tune_grid: rate", &self.tune_grid)?;
        for &learning_rate in &self.tune_grid {
            let train = TrainConfig {
                learning_rate,
                ..self.train.clone()
            };
            train.validate().context("tune_grid")?;
        }
        for method in self.learning_rates.keys() {
            self.kind(method).context("learning_rates")?;
        }
        for method in self.tuned.keys() {
            self.kind(method).context("tuned")?;
        }
        self.calibration.validate()?;
        ensure!(
            self.suites.limit_between == 0 || self.suites.after_every_task,
            "suites.limit_between has no effect unless suites.after_every_task is true"
        );
        ensure!(
            !self.suites.names.is_empty() || !self.suites.after_every_task,
            "suites.after_every_task has no effect without suites: name them by --general or suites.names"
        );
        let temperature = self.decoding.temperature;
        ensure!(
            temperature >= 0.0 && temperature.is_finite(),
            "decoding.temperature = {temperature} must be 0 (greedy) or above"
        );
        let minutes = self.checkpoints.every_minutes;
        ensure!(
            (0.0..=MOST_MINUTES).contains(&minutes),
            "checkpoints.every_minutes = {minutes} must be from 0 to {MOST_MINUTES}, a year"
        );
        ensure!(
            self.checkpoints.keep > 0,
            "checkpoints.keep must be at least 1: a run goes on from the latest"
        );
        Ok(())
    }
}

/// Refuses a repeated name, which would count twice.
fn named_once<T: PartialEq + Display>(what: &str, names: &[T]) -> Result<()> {
    for (index, name) in names.iter().enumerate() {
        ensure!(
            !names[..index].contains(name),
            "{what} {name} is named twice"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Registries;
    use crate::settings::{Overrides, RunConfig};

    #[test]
    fn what_a_method_cannot_train_with_is_found_before_a_run() {
        let cases = [
            ("train.optimizer='sgd'", "lora-decay needs a weight decay"),
            ("methods.lora-decay.weight_decay=1e39", "weight_decay"),
            ("methods.lora-decay.alpha=1e300", "alpha"),
        ];
        for (pair, word) in cases {
            let set = ["compare=['seqft','lora-decay']", pair].map(str::to_string);
            let overrides = Overrides {
                set: &set,
                ..Overrides::default()
            };
            let config = RunConfig::resolve(&Registries::builtin(), "trace", false, &overrides);
            let error = config
                .err()
                .map_or(String::new(), |error| format!("{error:#}"));
            assert!(error.contains(word), "{pair}: {error}");
        }
    }
}
