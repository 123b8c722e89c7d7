//! One task's training loop: batches, accumulated gradients, projection, clipping, step.

use burn::data::dataset::Dataset;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use lm::{Example, LanguageModel};

use super::schedule::scheduler;
use super::{TrainConfig, clip_by_global_norm, global_batches};
use crate::{ContinualError, Method};

/// What one optimizer step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Number of the step within the task, from 1.
    pub step: usize,
    /// Number of steps of the task.
    pub steps: usize,
    /// Mean negative log-likelihood of the step's answer tokens, in nats.
    pub loss: f64,
    /// Global norm of the gradient, after projection and before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Tokens of the step, padding not counted.
    pub tokens: usize,
}

/// How one task is gone through.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// Settings of the training loop.
    pub config: &'a TrainConfig,
    /// How often the rows are gone through.
    pub epochs: usize,
    /// Decides the order of the rows.
    pub seed: u64,
}

/// Number of optimizer steps for `rows` rows.
pub fn step_count(rows: usize, epochs: usize, config: &TrainConfig) -> usize {
    epochs * rows.div_ceil(config.global_batch.max(1))
}

/// Trains a model on the rows of one task.
///
/// The loss of a step is the mean over its answer tokens, so the size of a micro-batch changes
/// nothing beyond rounding. The same `seed` gives the same steps, bit for bit on one backend.
///
/// # Errors
///
/// [`ContinualError::Diverged`] at the first step whose loss or gradient is not finite, before
/// the weights are touched; [`ContinualError::InvalidSetting`], [`ContinualError::Row`].
pub fn fit<M: LanguageModel>(
    mut model: M,
    rows: &dyn Dataset<Example>,
    course: Course<'_>,
    method: &dyn Method<M>,
    optimizer: &mut ModuleOptimizer,
    on_step: &mut dyn FnMut(Step),
) -> Result<M, ContinualError> {
    let Course {
        config,
        epochs,
        seed,
    } = course;
    config.validate()?;
    let rows = read_rows(rows)?;
    let lengths: Vec<usize> = rows.iter().map(Example::len).collect();
    let steps = step_count(rows.len(), epochs, config);
    let mut schedule = scheduler(config, steps)?;
    let mut step = 0;
    for epoch in 0..epochs {
        let epoch_seed = seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(epoch as u64);
        for batch in global_batches(&lengths, config.global_batch, epoch_seed) {
            step += 1;
            let batch: Vec<&Example> = batch.iter().map(|&row| &rows[row]).collect();
            let (loss, grads) = gradients(&model, &batch, config.micro_batch, method);
            let mut grads = method.project(grads);
            let gradient_norm = clip_by_global_norm(&model, &mut grads, config.max_gradient_norm);
            let rate = schedule.step();
            let report = Step {
                step,
                steps,
                loss,
                gradient_norm,
                learning_rate: rate.base(),
                tokens: batch.iter().map(|example| example.len()).sum(),
            };
            if !loss.is_finite() || !gradient_norm.is_finite() {
                return Err(ContinualError::Diverged {
                    step,
                    loss,
                    gradient_norm,
                    learning_rate: report.learning_rate,
                });
            }
            model = optimizer.step(rate, model, grads);
            on_step(report);
        }
    }
    Ok(model)
}

/// All rows of a data set.
///
/// # Errors
///
/// [`ContinualError::Row`] for the first one that cannot be read.
pub(crate) fn read_rows(rows: &dyn Dataset<Example>) -> Result<Vec<Example>, ContinualError> {
    (0..rows.len())
        .map(|row| {
            rows.get(row).map_err(|error| ContinualError::Row {
                row,
                reason: error.to_string(),
            })
        })
        .collect()
}

/// Mean loss of a step and its gradients, accumulated over micro-batches; the method's penalty
/// is part of the gradients, not of the loss.
fn gradients<M: LanguageModel>(
    model: &M,
    batch: &[&Example],
    micro_batch: usize,
    method: &dyn Method<M>,
) -> (f64, GradientsParams) {
    let mut accumulator = GradientsAccumulator::new();
    let total: usize = batch.iter().map(|example| example.target_count()).sum();
    let mut sum = 0.0;
    for micro in batch.chunks(micro_batch) {
        let predicted = micro.iter().filter(|example| example.target_count() > 0);
        let examples: Vec<Example> = predicted.map(|&example| example.clone()).collect();
        if examples.is_empty() {
            continue;
        }
        let (loss, _) = model.answer_loss(&examples);
        let loss = loss / total as f64;
        sum += f64::from(loss.clone().into_scalar::<f32>());
        let grads = GradientsParams::from_grads(loss.backward(), model);
        accumulator.accumulate(model, grads);
    }
    if let Some(penalty) = method.penalty(model) {
        let grads = GradientsParams::from_grads(penalty.backward(), model);
        accumulator.accumulate(model, grads);
    }
    (sum, accumulator.grads())
}
