//! Settings of the training loop.

use serde::{Deserialize, Serialize};

use crate::error::ContinualError;
use crate::method::{OptimizerConfig, OptimizerName};

/// How the learning rate goes on after warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Stays at its peak.
    Constant,
    /// Falls to zero in a straight line.
    Linear,
    /// Falls to zero along half a cosine.
    #[default]
    Cosine,
}

/// Settings of the training loop; one set for every task and every method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Peak learning rate, in `(0, 1]`.
    pub learning_rate: f64,
    /// How the learning rate goes on after warm-up.
    pub schedule: Schedule,
    /// Share of the steps of a task over which the learning rate rises to its peak, in `[0, 1)`.
    pub warmup_share: f64,
    /// Rows per optimizer step.
    pub global_batch: usize,
    /// Rows per forward and backward pass; gradients of a step are accumulated over its passes.
    pub micro_batch: usize,
    /// Whether the forward pass keeps only the input of each block of the model, and the backward pass
    /// computes the rest again: a quarter more time for a tenth of the memory that grows with the tokens.
    pub activation_checkpointing: bool,
    /// Global norm to which gradients are clipped; 0 does not clip.
    pub max_gradient_norm: f64,
    /// The optimizer.
    pub optimizer: OptimizerName,
    /// Weight decay, decoupled where the optimizer decouples it. For a constrained weight it decays the change
    /// since the task began, for any other the weight itself.
    pub weight_decay: f64,
    /// Decay of the optimizer's first moment, or its momentum.
    pub beta_1: f64,
    /// Decay of the optimizer's second moment.
    pub beta_2: f64,
    /// The optimizer's stabilizer.
    pub epsilon: f64,
    /// What is done with the loss on validation rows.
    pub validation: ValidationConfig,
}

/// What is done with the loss on validation rows while a task is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Epochs from one measurement to the next; 0 measures nothing.
    pub every_epochs: usize,
    /// Measurements without a lower loss after which the task ends early; 0 never ends it.
    pub patience: usize,
    /// Whether a task ends with the weights of the lowest loss instead of the last ones.
    pub keep_best: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            warmup_share: 0.05,
            global_batch: 16,
            micro_batch: 16,
            activation_checkpointing: false,
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
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        let unit = 0.0..1.0;
        // The optimizer computes with them in f32.
        let finite = |value: f64| (value as f32).is_finite();
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
                unit.contains(&self.warmup_share),
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
                finite(self.max_gradient_norm) && self.max_gradient_norm >= 0.0,
                "0 (no clipping) or above, and finite",
            ),
            (
                "weight_decay",
                self.weight_decay,
                finite(self.weight_decay) && self.weight_decay >= 0.0,
                "0 or above, and finite",
            ),
            (
                "beta_1",
                self.beta_1,
                unit.contains(&self.beta_1),
                "from 0, below 1",
            ),
            (
                "beta_2",
                self.beta_2,
                unit.contains(&self.beta_2),
                "from 0, below 1",
            ),
            (
                "epsilon",
                self.epsilon,
                finite(self.epsilon) && self.epsilon as f32 > 0.0,
                "above 0 and finite, in f32",
            ),
            (
                "validation.every_epochs",
                self.validation.every_epochs as f64,
                self.validation.every_epochs > 0
                    || !(self.validation.patience > 0 || self.validation.keep_best),
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

    /// The optimizer every method starts from.
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
    fn numbers_that_are_none_are_refused_by_name() {
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
        // The optimizer holds them in f32, which 1e-50 and 1e50 are not in.
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
