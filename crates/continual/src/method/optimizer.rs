//! Which optimizer a task is trained with.

use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamConfig, AdamW, AdamWConfig, AdjustLrFn, LionConfig, ModuleOptimizer, Muon, MuonConfig,
    Optimizer, SgdConfig,
};
use osft::Targets;
use serde::{Deserialize, Serialize};

use crate::error::ContinualError;

/// Optimizers by name, all of them Burn's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// AdamW.
    #[default]
    Adamw,
    /// Adam, whose weight decay is a part of the gradient.
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Lion.
    Lion,
    /// Muon for the matrices of linear layers, but the head's, and AdamW for everything else.
    Muon,
}

impl OptimizerName {
    /// Its name, as it is typed.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(own, ..)| *own == self);
        named.map_or("", |(_, name, _)| name)
    }

    /// All of them, each with a sentence about it.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Adamw, "adamw", "AdamW"),
        (
            Self::Adam,
            "adam",
            "Adam; weight decay is a part of the gradient",
        ),
        (
            Self::Sgd,
            "sgd",
            "Stochastic gradient descent; its momentum is `beta_1`",
        ),
        (
            Self::Lion,
            "lion",
            "Lion; both betas count, `epsilon` does not",
        ),
        (
            Self::Muon,
            "muon",
            "Muon (momentum 0.95) for the matrices of linear layers but the head's, AdamW for the rest",
        ),
    ];
}

/// An optimizer with its settings, before a method has shaped it.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerConfig {
    /// Which one.
    pub name: OptimizerName,
    /// Decay of the first moment of AdamW, Adam and Lion, in `[0, 1)`; momentum of SGD. Muon keeps the
    /// momentum of its authors, 0.95.
    pub beta_1: f64,
    /// Decay of the second moment of AdamW and Adam, of the momentum of Lion, in `[0, 1)`.
    pub beta_2: f64,
    /// Stabilizer of AdamW and Adam; above 0.
    pub epsilon: f64,
    /// Weight decay; 0 or above.
    pub weight_decay: f64,
}

/// Something that is made from an optimizer, whichever it is.
pub trait WithOptimizer {
    /// What is made.
    type Made;

    /// Makes it from an optimizer that moves every parameter.
    fn with<O: Optimizer>(self, optimizer: O) -> Self::Made;

    /// Makes it from one that moves matrices and one that moves everything else.
    fn with_two<O: Optimizer, R: Optimizer>(self, matrices: O, rest: R) -> Self::Made;
}

impl OptimizerConfig {
    /// Makes something from the optimizer of these settings.
    pub fn make<W: WithOptimizer>(&self, from: W) -> W::Made {
        let decay = self.weight_decay as f32;
        // Burn's config types take no decay by `None`: 0 would add a pass over the weights.
        let penalty = (decay > 0.0).then(|| WeightDecayConfig::new(decay));
        match self.name {
            OptimizerName::Adamw => from.with(self.adamw()),
            OptimizerName::Adam => from.with(
                AdamConfig::new()
                    .with_beta_1(self.beta_1 as f32)
                    .with_beta_2(self.beta_2 as f32)
                    .with_epsilon(self.epsilon as f32)
                    .with_weight_decay(penalty)
                    .build(),
            ),
            OptimizerName::Sgd => {
                let momentum = MomentumConfig {
                    momentum: self.beta_1,
                    dampening: 0.0,
                    nesterov: false,
                };
                let momentum = (self.beta_1 > 0.0).then_some(momentum);
                from.with(
                    SgdConfig::new()
                        .with_weight_decay(penalty)
                        .with_momentum(momentum)
                        .build(),
                )
            }
            OptimizerName::Lion => from.with(
                LionConfig::new()
                    .with_beta_1(self.beta_1 as f32)
                    .with_beta_2(self.beta_2 as f32)
                    .with_weight_decay(decay)
                    .build(),
            ),
            OptimizerName::Muon => from.with_two(self.muon(), self.adamw()),
        }
    }

    /// An optimizer of a module that trains as it is.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Osft`] for Muon where the module has no linear layer.
    pub fn for_module<M: Module>(&self, module: &M) -> Result<ModuleOptimizer, ContinualError> {
        let matrices = match self.name {
            OptimizerName::Muon => {
                let linear = Targets::default().selected(module)?;
                linear.into_iter().map(|target| target.id).collect()
            }
            _ => Vec::new(),
        };
        Ok(self.for_matrices(matrices))
    }

    /// An optimizer that takes `matrices` for those of a module, where that makes a difference.
    pub fn for_matrices(&self, matrices: Vec<ParamId>) -> ModuleOptimizer {
        self.make(Plain(matrices))
    }

    fn adamw(&self) -> AdamW {
        AdamWConfig::new()
            .with_beta_1(self.beta_1 as f32)
            .with_beta_2(self.beta_2 as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(self.weight_decay as f32)
            .build()
    }

    /// Its steps are as long as AdamW's, so that one learning rate serves both.
    fn muon(&self) -> Muon {
        let decay = self.weight_decay as f32;
        MuonConfig::new()
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .with_weight_decay((decay > 0.0).then(|| WeightDecayConfig::new(decay)))
            .build()
    }
}

/// A module's own parameters, with the identities of its matrices.
struct Plain(Vec<ParamId>);

impl WithOptimizer for Plain {
    type Made = ModuleOptimizer;

    fn with<O: Optimizer>(self, optimizer: O) -> ModuleOptimizer {
        optimizer.into()
    }

    fn with_two<O: Optimizer, R: Optimizer>(self, matrices: O, rest: R) -> ModuleOptimizer {
        let all: ModuleOptimizer = rest.into();
        all.with_group(ParamGroup::from_ids(self.0), matrices, None)
    }
}
