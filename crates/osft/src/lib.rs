//! Orthogonal Subspace Fine-Tuning (OSFT) for any Burn module, on any Burn backend.
//!
//! OSFT fine-tunes a model on one task after another. In every target weight `W`, it freezes the directions
//! that carry most of what the model has learned before. An [`Osft`] splits the target weights of a module
//! into *protected* and *free* directions, on the input side and on the output side. In place of each weight
//! it trains a core, in coordinates of the free directions, with any Burn
//! [`Optimizer`](burn::optim::Optimizer). Afterwards it measures what leaked.
//!
//! ```
//! use burn::{nn::LinearConfig, optim::{AdamWConfig, GradientsParams}, tensor::{Device, Tensor}};
//! use osft::{Osft, OsftConfig};
//!
//! # fn main() -> Result<(), osft::OsftError> {
//! let device = Device::flex().autodiff();
//! let model = LinearConfig::new(8, 4).init(&device);
//!
//! let osft = Osft::split(&model, &OsftConfig::new().with_protected_share(0.5))?;
//! let mut model = osft.prepare(model)?;
//! let mut optimizer = osft.optimizer(AdamWConfig::new().with_weight_decay(0.0).build())?;
//!
//! let loss = model.forward(Tensor::<2>::ones([2, 8], &device)).square().mean();
//! let grads = GradientsParams::from_grads(loss.backward(), &model);
//! model = optimizer.step(1e-3, model, grads);
//! let model = osft.finish(model)?;
//!
//! assert!(osft.leaks(&model)?.worst().leak_in < 1e-5);
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to a module
//!
//! | | values | `require_grad` | training flags | identities, layouts |
//! |---|---|---|---|---|
//! | [`split`](Osft::split) | read | read | | |
//! | [`prepare`](Osft::prepare) | unchanged, by `val()` | off for everything frozen | | kept; cores and factors are new parameters |
//! | a step of [`optimizer`](Osft::optimizer) | targets move inside their free directions | | | |
//! | [`leaks`](Osft::leaks), [`disabled`](Osft::disabled) | read | | | |
//! | [`finish`](Osft::finish) | as trained, merged | as at the split | | kept |
//! | [`discard`](Osft::discard) | as at the split | as at the split | | kept |
//! | [`truncate`](Osft::truncate) | without the free part | | | kept |
//!
//! An empty cell means: unchanged. Parameters that the caller has frozen stay frozen. A module is refused
//! rather than changed in part: [`OsftError`] says what does not fit, where, and what to do. A record of a
//! prepared module contains `W₀` and the cores, so that a run can be resumed from it. To export a module,
//! finish it first or use `module.clone().materialize()`.
//!
//! Weights may be f64, f32, f16 or bf16. Weights in two bytes train through a core in f32 and are rounded
//! where they are used and stored. Before [`finish`](Osft::finish), [`leaks`](Osft::leaks) measures the leak
//! of the core, afterwards that leak together with the rounding.
//!
//! # Choices
//!
//! [`OsftConfig`] sets, independently of each other:
//!
//! - which parameters are split, [`Targets`]: the linear layers except output heads, or whatever patterns
//!   or a parameter group of Burn choose;
//! - where the protected directions come from, [`SplitSource`]: the singular values of the weights (the
//!   paper), or the second moment of the layers' inputs (with that of the gradients, if asked for), which a
//!   [`Calibrator`] measures and a [`SplitContext`] passes on;
//! - how many directions are protected, by a [`ShareRule`] for all targets or a [`TargetShare`] for some: a
//!   fixed share, the paper's adaptive one, an energy, the effective rank, a schedule over tasks, a number,
//!   or a [`Rule`] of your own, which [`ShareRules`] makes from settings;
//! - how the inputs' second moment is summed over tokens and how its spectrum is read, [`MomentConfig`];
//! - how strongly each direction is held back, [`Scaling`], and how several sources of inputs are combined,
//!   [`Combine`];
//! - how the change stays inside the free directions, [`Form`]: in core coordinates, by the paper's equation,
//!   or as the factors of the paper's algorithm;
//! - whether other parameters train, [`Others`], and what weight decay pulls towards, [`Decay`];
//! - the precision of the base weights during training, [`BasePrecision`].
//!
//! After training, [`Osft::leaks`] measures how much of the change lies in protected directions and how far
//! the layers' outputs moved, over inputs with the measured distribution ([`OutputChange`]); [`SinceBase`]
//! measures the same for a whole sequence of tasks. [`Osft::free_energy`] measures, on inputs that the split has
//! not seen, whether the sample that it was made from was large enough. [`Osft::to_bytes`] and [`Calibration::to_bytes`] save
//! what another run needs, and a [`SplitCache`] finds earlier splits of the same weights.
//! [`Osft::held_numbers_of`] predicts the memory of a split.
//!
//! # Conventions
//!
//! Burn stores a weight as `[d_in, d_out]` (`y = x W + b`), the transpose of PyTorch's layout, so the paper's
//! `U` is the *output* side here. `k_in` and `k_out` count protected directions; a *protected share* is the
//! fraction of the directions that is protected.
//!
//! | here | the paper | PEFT | mini_trainer |
//! |---|---|---|---|
//! | protected share | rank fraction kept | `effective_rank` (as a fraction) | `1 - unfreeze_rank_ratio` |
//!
//! # References
//!
//! "Sculpting Subspaces: Constrained Full Fine-Tuning in LLMs for Continual Learning",
//! <https://arxiv.org/abs/2504.07097>.

mod calibration;
mod config;
mod error;
mod form;
mod importance_measure;
mod leak;
mod lifecycle;
mod linalg;
mod module;
mod persist;
mod rule;
mod split;

pub use calibration::{Calibration, Calibrator, Moment, Source, moment_bytes};
pub use config::{
    BasePrecision, Combine, DEFAULT_ALPHA, Decay, Form, MomentConfig, NO_BOUND, OsftConfig, Others,
    Removed, Scaling, SelectedTarget, Shrinkage, SplitSource, TargetShare, Targets, TokenLength,
};
pub use error::OsftError;
pub use form::{FreeCore, FreeFactors, KeptInput, StepCost};
pub use importance_measure::{Importance, ImportanceMeasure, LayerMeasurements, Reads};
pub use leak::{
    FreeEnergy, FreeEnergyMeter, LayerChange, LayerLeak, LeakReport, OutputChange, SinceBase,
};
pub use module::Trainability;
pub use rule::{
    AdaptiveShare, GrowingEnergy, LayerFacts, Rule, RuleKind, ShareRule, ShareRules, ShareSchedule,
};
pub use split::{
    Constraint, HeldNumbers, LayerSplit, LayerSummary, Osft, Side, SingularTriplets, SplitCache,
    SplitContext, WhichTriplets,
};
