//! The optimizer of a task.

use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamConfig, AdjustLrFn, LionConfig, ModuleOptimizer, Muon, MuonConfig, Optimizer, SgdConfig,
};
use osft::Targets;
use serde::{Deserialize, Serialize};

use super::adamw::FusedAdamW;
use crate::error::ContinualError;

/// The optimizers by name; all are Burn's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// AdamW.
    #[default]
    Adamw,
    /// Adam, with weight decay as a part of the gradient.
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Lion.
    Lion,
    /// Muon for the matrices of linear layers except the head, AdamW for everything else.
    Muon,
}

impl OptimizerName {
    /// Its name, as it is typed.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(own, ..)| *own == self);
        named.map_or("", |(_, name, _)| name)
    }

    /// All optimizers: the name in settings and a sentence.
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

/// An optimizer with its settings; a method adapts it to what it trains.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerConfig {
    /// The optimizer.
    pub name: OptimizerName,
    /// Decay of the first moment of AdamW, Adam and Lion, in `[0, 1)`; momentum of SGD. Muon uses
    /// its authors' momentum, 0.95.
    pub beta_1: f64,
    /// Decay of the second moment of AdamW and Adam, and of Lion's momentum, in `[0, 1)`.
    pub beta_2: f64,
    /// Stabilizer of AdamW and Adam; above 0.
    pub epsilon: f64,
    /// Weight decay; 0 or above.
    pub weight_decay: f64,
}

/// Makes a value from an optimizer of any type.
pub trait WithOptimizer {
    /// The type of the value.
    type Made;

    /// Makes it from one optimizer for all parameters.
    fn with<O: Optimizer>(self, optimizer: O) -> Self::Made;

    /// Makes it from one optimizer for the matrices and one for the rest.
    fn with_two<O: Optimizer, R: Optimizer>(self, matrices: O, rest: R) -> Self::Made;
}

impl OptimizerConfig {
    /// Passes the optimizer of these settings to `from`.
    pub fn make<W: WithOptimizer>(&self, from: W) -> W::Made {
        let decay = self.weight_decay as f32;
        // Burn's configurations turn weight decay off with `None`; 0 would add a pass over the
        // weights.
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

    /// The optimizer of a module that trains without a method's changes.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Osft`] for Muon if the module has no linear layer.
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

    /// The optimizer with `matrices` as the parameters that Muon moves; the other optimizers ignore
    /// them.
    pub fn for_matrices(&self, matrices: Vec<ParamId>) -> ModuleOptimizer {
        self.make(ForModule(matrices))
    }

    fn adamw(&self) -> FusedAdamW {
        let [beta_1, beta_2, epsilon, decay] =
            [self.beta_1, self.beta_2, self.epsilon, self.weight_decay].map(|value| value as f32);
        FusedAdamW::new(beta_1, beta_2, epsilon, decay)
    }

    /// Scaled to the step length of AdamW, so that one learning rate serves both.
    fn muon(&self) -> Muon {
        let decay = self.weight_decay as f32;
        MuonConfig::new()
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .with_weight_decay((decay > 0.0).then(|| WeightDecayConfig::new(decay)))
            .build()
    }
}

/// Makes a module's own optimizer; holds the identities of the matrices.
struct ForModule(Vec<ParamId>);

impl WithOptimizer for ForModule {
    type Made = ModuleOptimizer;

    fn with<O: Optimizer>(self, optimizer: O) -> ModuleOptimizer {
        optimizer.into()
    }

    fn with_two<O: Optimizer, R: Optimizer>(self, matrices: O, rest: R) -> ModuleOptimizer {
        let optimizer: ModuleOptimizer = rest.into();
        optimizer.with_group(ParamGroup::from_ids(self.0), matrices, None)
    }
}

/// Whether a setting that is used in f32 is finite there.
pub(crate) fn finite_in_f32(value: f64) -> bool {
    (value as f32).is_finite()
}
