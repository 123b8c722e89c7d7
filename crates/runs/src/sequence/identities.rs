//! The content that the jobs of a command read, as hashes.

use anyhow::{Context, Result};

use report::hash::sha256;
use report::record::Contents;

use crate::base::BaseModel;
use crate::data::PreparedTasks;
use crate::settings::RunConfig;

/// Hashes the content of all orders.
///
/// # Errors
///
/// If the calibration text cannot be read.
pub fn contents(
    config: &RunConfig,
    base: &BaseModel,
    orders: &[PreparedTasks],
) -> Result<Vec<Contents>> {
    orders
        .iter()
        .map(|prepared| of(config, base, prepared))
        .collect()
}

/// Hashes the content of one order.
///
/// # Errors
///
/// If the calibration text cannot be read.
pub fn of(config: &RunConfig, base: &BaseModel, prepared: &PreparedTasks) -> Result<Contents> {
    let calibration = match config.calibration.file() {
        _ if !config.reads_base_rows() => String::new(),
        Some(path) => sha256(
            &std::fs::read(path)
                .with_context(|| format!("cannot read the calibration text {}", path.display()))?,
        ),
        // The model and the settings determine the text that the model generates.
        None => String::new(),
    };
    let rows = prepared.rows()?;
    Ok(Contents {
        model_config: base.fingerprint.config.clone(),
        model_weights: base.fingerprint.weights.clone(),
        tokenizer: base.fingerprint.tokenizer.clone(),
        suite: prepared.suite.clone(),
        rows: rows.all,
        tasks: rows.tasks,
        general: rows.general,
        calibration,
    })
}
