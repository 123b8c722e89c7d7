//! Settings that other commands read and `osft finetune` does not.

use anyhow::{Result, bail};
use runs::settings::{Overrides, RunConfig};

use crate::settings::COMMAND;

/// Settings of suites, of sequences of several tasks, and of their scores.
const OF_SUITES: [&str; 15] = [
    "data",
    "limit_train",
    "limit_per_class",
    "limit_test",
    "flaws",
    "task_epochs",
    "by_order",
    "decoding",
    "scoring",
    "label_scores",
    "general_rows",
    "tune_grid",
    "calibration.save",
    "suites.after_every_task",
    "suites.limit_between",
];

/// Settings of what stands for the base model, which is measured before the first task.
const OF_BASE: [&str; 7] = [
    "calibration.base",
    "calibration.base_rows",
    "calibration.base_tokens",
    "calibration.base_total_tokens",
    "calibration.prefix_tokens",
    "calibration.questions",
    "calibration.text",
];

/// Refuses settings that would have no effect.
///
/// # Errors
///
/// If one of them is not at its default.
pub fn refuse(config: &RunConfig) -> Result<()> {
    match changed(config, &OF_SUITES)?.first() {
        Some(key) => bail!(
            "{key} has no effect on `osft finetune`, which learns the rows of --data as they are: leave it out"
        ),
        None => Ok(()),
    }
}

/// A sentence about settings that have no effect on a model that has learned tasks before.
///
/// # Errors
///
/// If the settings cannot be compared.
pub fn of_base(config: &RunConfig) -> Result<Option<String>> {
    let keys = changed(config, &OF_BASE)?;
    Ok((!keys.is_empty()).then(|| {
        format!(
            "{} have no effect: what stands for the base model was measured before its first task",
            keys.join(", ")
        )
    }))
}

/// Those of the settings that are not at their defaults.
fn changed<'a>(config: &RunConfig, keys: &[&'a str]) -> Result<Vec<&'a str>> {
    let defaults = RunConfig::resolve(&config.registries, COMMAND, true, &Overrides::default())?;
    let mut changed = Vec::new();
    for &key in keys {
        if config.setting(key)? != defaults.setting(key)? {
            changed.push(key);
        }
    }
    Ok(changed)
}
