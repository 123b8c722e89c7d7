//! One task's training loop: batches, accumulated gradients, projection, clipping, step.

use burn::data::dataset::Dataset;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use lm::{Backpropagation, Example, LanguageModel};

use super::schedule::scheduler;
use super::validation::{Best, mean_loss};
use super::{TrainConfig, clip_by_global_norm, global_batches, micro_batches};
use crate::error::ContinualError;
use crate::method::Method;
use crate::protocol::Rows;

/// The result of one optimizer step.
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
    /// Number of rows of the step.
    pub rows: usize,
    /// Number of tokens of the step, without padding.
    pub tokens: usize,
}

/// The task of a training loop.
#[derive(Clone, Copy)]
pub struct TaskTraining<'a> {
    /// Name of the task, for errors.
    pub task: &'a str,
    /// Settings of the training loop.
    pub config: &'a TrainConfig,
    /// Rows to train on.
    pub rows: &'a dyn Dataset<Example>,
    /// Rows for the validation loss, if the settings ask for it.
    pub validation: Option<&'a dyn Dataset<Example>>,
    /// Epochs.
    pub epochs: usize,
    /// Seed of the order of the rows.
    pub seed: u64,
}

/// A model in the middle of a task.
#[derive(Clone)]
pub struct Training<M> {
    /// The current model.
    pub model: M,
    /// The optimizer and its state.
    pub optimizer: ModuleOptimizer,
    /// Optimizer steps done.
    pub steps_done: usize,
    /// The lowest validation loss so far, with the weights at that time if they are kept.
    pub best: Option<Best<M>>,
    /// Number of measurements since the lowest validation loss.
    pub stale: usize,
}

impl<M> Training<M> {
    /// The state before the first step.
    pub fn new(model: M, optimizer: ModuleOptimizer) -> Self {
        Self {
            model,
            optimizer,
            steps_done: 0,
            best: None,
            stale: 0,
        }
    }
}

/// An event of the training loop.
pub enum TrainEvent<'a, M> {
    /// A step is done.
    Stepped(Step),
    /// The loss on validation rows was measured, in nats per answer token.
    Validated(f64),
    /// The step is complete: a run can be saved here and resumed.
    Settled(&'a Training<M>),
}

/// Number of optimizer steps for `rows` rows in `epochs` epochs.
pub fn step_count(rows: usize, epochs: usize, config: &TrainConfig) -> usize {
    epochs * rows.div_ceil(config.global_batch.max(1))
}

/// Trains a model on the rows of one task, starting after the steps already done.
///
/// A step's loss is the mean over its answer tokens, so the size of a micro-batch changes nothing
/// beyond rounding. On one backend, the same `seed` gives the same steps bit for bit, whether or
/// not the training was interrupted and resumed.
///
/// # Errors
///
/// [`ContinualError::Diverged`] at the first step whose loss or gradient is not finite, before the
/// weights change; [`ContinualError::InvalidSetting`], [`ContinualError::NoValidation`], [`ContinualError::Row`], and the
/// errors of `on_event`.
pub fn fit<M: LanguageModel>(
    mut training: Training<M>,
    task_training: TaskTraining<'_>,
    method: &dyn Method<M>,
    on_event: &mut dyn FnMut(TrainEvent<'_, M>) -> Result<(), ContinualError>,
) -> Result<M, ContinualError> {
    let config = task_training.config;
    config.validate()?;
    config.check_for(&training.model)?;
    let rows = Rows::open(task_training.rows)?;
    let validation = validation_rows(&training.model, &task_training)?;
    let steps = step_count(rows.lengths().len(), task_training.epochs, config);
    let mut schedule = scheduler(config, steps)?;
    let mut step = 0;
    'epochs: for epoch in 0..task_training.epochs {
        let epoch_seed = task_training
            .seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(epoch as u64);
        let batches = global_batches(rows.lengths(), config.global_batch, epoch_seed);
        let last = batches.len();
        for (index, batch) in batches.into_iter().enumerate() {
            let patience = config.validation.patience;
            if patience > 0 && training.stale >= patience {
                break 'epochs;
            }
            step += 1;
            let rate = schedule.step();
            if step <= training.steps_done {
                continue;
            }
            let batch = rows.batch(&batch)?;
            let model = &training.model;
            let (loss, grads) = gradients(model, &batch, step, config, method);
            let mut grads = method.project(model, grads);
            let gradient_norm = clip_by_global_norm(model, &mut grads, config.max_gradient_norm);
            let learning_rate = rate.base();
            if !loss.is_finite() || !gradient_norm.is_finite() {
                return Err(ContinualError::Diverged {
                    task: task_training.task.to_string(),
                    step,
                    loss,
                    gradient_norm,
                    learning_rate,
                });
            }
            training.model = training.optimizer.step(rate, training.model, grads);
            training.steps_done = step;
            on_event(TrainEvent::Stepped(Step {
                step,
                steps,
                loss,
                gradient_norm,
                learning_rate,
                rows: batch.len(),
                tokens: batch.iter().map(Example::len).sum(),
            }))?;
            let epoch_ends = index + 1 == last;
            // What a task ends with is always measured: `keep_best` must not lose it unseen.
            let is_last = epoch + 1 == task_training.epochs;
            if epoch_ends
                && let Some(rows) = &validation
                && (is_last || (epoch + 1).is_multiple_of(config.validation.every_epochs))
            {
                let loss = mean_loss(&training.model, rows, config)?;
                on_event(TrainEvent::Validated(loss))?;
                training.record_validation_loss(loss, config.validation.keep_best);
            }
            on_event(TrainEvent::Settled(&training))?;
        }
    }
    let best = training.best.and_then(|best| best.model);
    Ok(best.unwrap_or(training.model))
}

/// The rows whose loss is measured: those with an answer; `None` if no loss is measured.
///
/// # Errors
///
/// [`ContinualError::NoValidation`] if there are rows and none has an answer, or none where the loss decides when the
/// task ends: a mean over no row would be the lowest loss of all.
fn validation_rows<'a, M: LanguageModel>(
    model: &M,
    task_training: &TaskTraining<'a>,
) -> Result<Option<Rows<'a>>, ContinualError> {
    let settings = &task_training.config.validation;
    if settings.every_epochs == 0 {
        return Ok(None);
    }
    let given = task_training.validation.filter(|rows| !rows.is_empty());
    let rows = match given {
        Some(rows) => Some(Rows::chosen(rows, |row| model.target_count(row) > 0)?),
        None => None,
    };
    let is_empty = rows.as_ref().is_none_or(|rows| rows.lengths().is_empty());
    if is_empty && (given.is_some() || settings.decides()) {
        return Err(ContinualError::NoValidation {
            task: task_training.task.to_string(),
            rows: given.map_or(0, |rows| rows.len()),
        });
    }
    Ok(rows)
}

impl<M: Clone> Training<M> {
    /// Records a validation loss.
    fn record_validation_loss(&mut self, loss: f64, keep: bool) {
        // Any loss is lower than one that is no number.
        let lower = |best: &Best<M>| loss < best.loss || best.loss.is_nan();
        if self.best.as_ref().is_none_or(lower) {
            self.stale = 0;
            self.best = Some(Best {
                loss,
                step: self.steps_done,
                model: keep.then(|| self.model.clone()),
            });
        } else {
            self.stale += 1;
        }
    }
}

/// Mean loss of a step and its gradients, accumulated over micro-batches. The method's penalties are
/// part of the gradients but not of the loss.
fn gradients<M: LanguageModel>(
    model: &M,
    batch: &[Example],
    step: usize,
    config: &TrainConfig,
    method: &dyn Method<M>,
) -> (f64, GradientsParams) {
    let mut accumulator = GradientsAccumulator::new();
    let total: usize = batch.iter().map(|row| model.target_count(row)).sum();
    let mut sum = 0.0;
    let with_answer = |rows: &[Example]| -> Vec<Example> {
        let rows = rows.iter().filter(|row| model.target_count(row) > 0);
        rows.cloned().collect()
    };
    let lengths: Vec<usize> = batch.iter().map(Example::len).collect();
    for micro in micro_batches(
        &lengths,
        config.micro_batch,
        config.max_tokens,
        config.packing,
    ) {
        let examples = with_answer(&batch[micro]);
        if examples.is_empty() {
            continue;
        }
        let backpropagation = Backpropagation {
            scale: 1.0 / total as f64,
            map: method.linear_map(),
            activation_checkpointing: config.activation_checkpointing,
            packing: config.packing,
            precision: config.mixed_precision,
        };
        sum += model.answer_gradients(&examples, backpropagation, &mut |grads| {
            accumulator.accumulate(model, grads);
        });
        if let Some(penalty) = method.row_penalty(model, &examples) {
            let penalty = penalty / total as f64;
            let grads = GradientsParams::from_grads(penalty.backward(), model);
            accumulator.accumulate(model, grads);
        }
    }
    if let Some(penalty) = method.penalty(model, step) {
        let grads = GradientsParams::from_grads(penalty.backward(), model);
        accumulator.accumulate(model, grads);
    }
    (sum, accumulator.grads())
}
