//! Settings of the training loop.

use lm::{LanguageModel, MixedPrecision};
use serde::{Deserialize, Serialize};

use crate::error::ContinualError;
use crate::method::finite_in_f32;
use crate::method::{OptimizerConfig, OptimizerName};

/// The learning rate after warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays at its peak.
    Constant,
    /// It falls linearly to zero.
    Linear,
    /// It falls to zero along half a cosine.
    #[default]
    Cosine,
}

/// Settings of the training loop, the same for all tasks and methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Peak learning rate, in `(0, 1]`.
    pub learning_rate: f64,
    /// The learning rate after warm-up.
    pub schedule: Schedule,
    /// Share of the steps of a task over which the learning rate rises to its peak, in `[0, 1)`.
    pub warmup_share: f64,
    /// Rows per optimizer step, at least 1.
    pub global_batch: usize,
    /// Rows per forward and backward pass, at least 1; a step accumulates the gradients of its
    /// passes.
    pub micro_batch: usize,
    /// Tokens per forward and backward pass, padding included; 0 limits the rows only. A longer row has a
    /// pass of its own.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_tokens: usize,
    /// Packing: the rows of a pass follow each other without padding, and none sees another. For decoder-only models.
    #[serde(skip_serializing_if = "is_false")]
    pub packing: bool,
    /// Activation checkpointing: the forward pass keeps only the inputs of the model's blocks, and
    /// the backward pass recomputes the rest. A step takes a quarter more time; the memory that
    /// grows with the tokens falls to a tenth.
    pub activation_checkpointing: bool,
    /// Mixed precision: `"bf16"` multiplies matrices in bf16, for a graphics card; `"none"` computes everything in the type of
    /// the weights. Either way weights, sums of gradients and moments keep theirs, and so do terms that a method adds to the
    /// loss.
    #[serde(skip_serializing_if = "MixedPrecision::is_none")]
    pub mixed_precision: MixedPrecision,
    /// Global norm to which gradients are clipped; 0 turns clipping off.
    pub max_gradient_norm: f64,
    /// The optimizer.
    pub optimizer: OptimizerName,
    /// Weight decay, 0 or above; decoupled if the optimizer decouples it. For a constrained weight
    /// it decays the change since the task began, for other weights the weight itself.
    pub weight_decay: f64,
    /// Decay of the optimizer's first moment, or its momentum; in `[0, 1)`.
    pub beta_1: f64,
    /// Decay of the optimizer's second moment, in `[0, 1)`.
    pub beta_2: f64,
    /// The optimizer's stabilizer, above 0.
    pub epsilon: f64,
    /// How the validation loss is used.
    pub validation: ValidationConfig,
}

/// How the validation loss is used while a task is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Epochs between two measurements; 0 turns measuring off.
    pub every_epochs: usize,
    /// Number of measurements without a lower loss after which the task ends early; 0 never ends it
    /// early.
    pub patience: usize,
    /// Whether a task ends with the weights of the lowest loss instead of the last weights.
    pub keep_best: bool,
}

impl ValidationConfig {
    /// Whether the loss decides which weights a task ends with.
    pub fn decides(&self) -> bool {
        self.patience > 0 || self.keep_best
    }
}

/// A setting that was added later is not written at its default: results keep their identity.
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// As [`is_zero`].
fn is_false(setting: &bool) -> bool {
    !setting
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            warmup_share: 0.05,
            global_batch: 16,
            micro_batch: 16,
            max_tokens: 0,
            packing: false,
            activation_checkpointing: false,
            mixed_precision: MixedPrecision::None,
            max_gradient_norm: 1.0,
            optimizer: OptimizerName::default(),
            weight_decay: 0.0,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            validation: ValidationConfig::default(),
        }
    }
}

impl TrainConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first setting out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        let unit_interval = 0.0..1.0;
        // The optimizer computes with these settings in f32.
        let checks = [
            (
                "learning_rate",
                self.learning_rate,
                self.learning_rate > 0.0 && self.learning_rate <= 1.0,
                "above 0, at most 1",
            ),
            (
                "warmup_share",
                self.warmup_share,
                unit_interval.contains(&self.warmup_share),
                "from 0, below 1",
            ),
            (
                "global_batch",
                self.global_batch as f64,
                self.global_batch > 0,
                "at least 1",
            ),
            (
                "micro_batch",
                self.micro_batch as f64,
                self.micro_batch > 0,
                "at least 1",
            ),
            (
                "max_gradient_norm",
                self.max_gradient_norm,
                finite_in_f32(self.max_gradient_norm) && self.max_gradient_norm >= 0.0,
                "0 (no clipping) or above, and finite",
            ),
            (
                "weight_decay",
                self.weight_decay,
                finite_in_f32(self.weight_decay) && self.weight_decay >= 0.0,
                "0 or above, and finite",
            ),
            (
                "beta_1",
                self.beta_1,
                unit_interval.contains(&self.beta_1),
                "from 0, below 1",
            ),
            (
                "beta_2",
                self.beta_2,
                unit_interval.contains(&self.beta_2),
                "from 0, below 1",
            ),
            (
                "epsilon",
                self.epsilon,
                finite_in_f32(self.epsilon) && self.epsilon as f32 > 0.0,
                "above 0 and finite, in f32",
            ),
            (
                "validation.every_epochs",
                self.validation.every_epochs as f64,
                self.validation.every_epochs > 0 || !self.validation.decides(),
                "at least 1 for patience or keep_best",
            ),
        ];
        match checks.into_iter().find(|(_, _, valid, _)| !valid) {
            None => Ok(()),
            Some((name, found, _, expected)) => Err(ContinualError::InvalidSetting {
                name,
                found: found.to_string(),
                expected,
            }),
        }
    }

    /// Checks the settings that not every model and every device can follow.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one that this model cannot follow where it is.
    pub fn check_for<M: LanguageModel>(&self, model: &M) -> Result<(), ContinualError> {
        if self.packing && !model.can_pack() {
            return Err(ContinualError::InvalidSetting {
                name: "packing",
                found: "true".to_string(),
                expected: "false for this model: only decoder-only models can pack rows",
            });
        }
        let devices = model.devices();
        let supported = |device| self.mixed_precision.is_supported_by(device);
        match devices.iter().all(supported) {
            true => Ok(()),
            false => Err(ContinualError::InvalidSetting {
                name: "mixed_precision",
                found: "bf16".to_string(),
                expected: "none on this backend, which has no numbers in bf16",
            }),
        }
    }

    /// The optimizer settings, from which every method makes its optimizer.
    pub fn optimizer(&self) -> OptimizerConfig {
        OptimizerConfig {
            name: self.optimizer,
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_infinite_and_negative_numbers_are_refused_by_name() {
        let default = TrainConfig::default;
        assert!(default().validate().is_ok());
        for value in [f64::NAN, f64::INFINITY, -1.0] {
            let settings = [
                (
                    "learning_rate",
                    TrainConfig {
                        learning_rate: value,
                        ..default()
                    },
                ),
                (
                    "warmup_share",
                    TrainConfig {
                        warmup_share: value,
                        ..default()
                    },
                ),
                (
                    "max_gradient_norm",
                    TrainConfig {
                        max_gradient_norm: value,
                        ..default()
                    },
                ),
                (
                    "weight_decay",
                    TrainConfig {
                        weight_decay: value,
                        ..default()
                    },
                ),
                (
                    "beta_1",
                    TrainConfig {
                        beta_1: value,
                        ..default()
                    },
                ),
                (
                    "beta_2",
                    TrainConfig {
                        beta_2: value,
                        ..default()
                    },
                ),
                (
                    "epsilon",
                    TrainConfig {
                        epsilon: value,
                        ..default()
                    },
                ),
            ];
            for (name, config) in settings {
                match config.validate() {
                    Err(ContinualError::InvalidSetting { name: found, .. }) => {
                        assert_eq!(found, name, "{value}");
                    }
                    other => panic!("{name} {value}: {other:?}"),
                }
            }
        }
        // The optimizer holds the settings in f32, which cannot represent 1e-50 and 1e50.
        for (weight_decay, epsilon) in [(1e50, 1e-8), (0.0, 1e-50)] {
            let config = TrainConfig {
                weight_decay,
                epsilon,
                ..default()
            };
            assert!(config.validate().is_err(), "{weight_decay} {epsilon}");
        }
    }
}
