//! The content that the jobs of a command read, as hashes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use report::hash::sha256;
use report::record::Contents;

use crate::base::BaseModel;
use crate::data::PreparedTasks;
use crate::settings::{BaseSample, RunConfig};

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
    let mut contents = (orders.iter())
        .map(|prepared| of(config, base, prepared))
        .collect::<Result<Vec<_>>>()?;
    let calibration = &config.calibration;
    let continues_tasks = config.reads_base_rows()
        && calibration.sample() == BaseSample::Continued
        && calibration.file().is_none();
    if continues_tasks && orders.len() > 1 {
        let of_all = tasks_of_all(&contents);
        for contents in &mut contents {
            // An order that has all tasks is known by its own rows, also among others.
            if tasks_of_all(std::slice::from_ref(contents)) != of_all {
                contents.calibration.clone_from(&of_all);
            }
        }
    }
    Ok(contents)
}

/// A hash of the tasks of all orders, whose prompts the model continues for its calibration: the rows of one order say
/// nothing of the others.
fn tasks_of_all(contents: &[Contents]) -> String {
    let tasks: BTreeMap<&String, &String> = contents.iter().flat_map(|of| &of.tasks).collect();
    let listed: Vec<String> = tasks
        .iter()
        .map(|(name, rows)| format!("{name} {rows}"))
        .collect();
    sha256(listed.join("\n").as_bytes())
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
