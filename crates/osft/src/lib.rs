//! Orthogonal Subspace Fine-Tuning (OSFT) for any Burn module, on any Burn backend.
//!
//! OSFT fine-tunes a network on one task after another while freezing, in every target weight
//! `W`, the directions that carry most of what the network already knows. A [`Osft`] splits the
//! target weights of a module into *protected* and *free* directions on the input and on the
//! output side, trains a core of coordinates of the free ones in place of each weight, by any Burn
//! [`Optimizer`](burn::optim::Optimizer), and measures afterwards what leaked.
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
//! | [`prepare`](Osft::prepare) | as they were, by `val()` | off for what may not move | | kept; cores and factors are new parameters |
//! | a step of [`optimizer`](Osft::optimizer) | targets move inside their free directions | | | |
//! | [`leaks`](Osft::leaks), [`disabled`](Osft::disabled) | read | | | |
//! | [`finish`](Osft::finish) | what was trained, merged | as at the split | | kept |
//! | [`discard`](Osft::discard) | those of the split | as at the split | | kept |
//! | [`truncate`](Osft::truncate) | without the free part | | | kept |
//!
//! An empty cell is left alone. What a module's owner has frozen stays frozen, and a module is refused
//! rather than changed by halves: [`OsftError`] says what does not fit, where, and what to do. A record of a
//! prepared module holds `W₀` and the cores, for a run to go on from; export a module that was finished, or
//! `module.clone().materialize()`.
//!
//! Weights may be f64, f32, f16 or bf16. Those in two bytes train through a core in f32 and are rounded where
//! they are used and stored; [`leaks`](Osft::leaks) says apart what the core leaks and what storing adds.
//!
//! # Choices
//!
//! [`OsftConfig`] says, each apart from the others,
//!
//! - which parameters are split, [`Targets`]: the linear layers but the head, or what patterns match;
//! - where the protected directions come from, [`SplitSource`]: the singular values of the
//!   weights (the paper), or the second moment of the layers' inputs, which a [`Calibrator`]
//!   measures and a [`SplitContext`] hands on;
//! - how many are protected, [`ShareRule`], in all targets or by a [`TargetShare`] in some: a fixed share,
//!   the paper's adaptive one, an energy, the effective rank, a schedule over tasks, a number, or a [`Rule`]
//!   of your own, which [`ShareRules`] makes from settings;
//! - how a weight is kept inside the rest, [`Form`]: in core coordinates, by the paper's
//!   equation, or as the factors of the paper's algorithm;
//! - what happens to everything else, [`Others`], and what weight decay pulls towards, [`Decay`];
//! - in which precision the weights are held meanwhile, [`BasePrecision`].
//!
//! Afterwards [`Osft::leaks`] says how much of the change lies where nothing should move and, over
//! inputs as they were measured, how far the layers' outputs moved ([`OutputChange`]);
//! [`SinceBase`] says so for a whole sequence of tasks. [`Osft::to_bytes`] and
//! [`Calibration::to_bytes`] save what another run needs, and a [`SplitCache`] finds a split again by
//! what it was made from. [`Osft::held_numbers_of`] says what a split will hold in memory.
//!
//! # Conventions
//!
//! Burn holds a weight as `[d_in, d_out]` (`y = x W + b`), the transpose of PyTorch's layout, so
//! the paper's `U` is the *output* side here. `k_in` and `k_out` count protected directions; a
//! *protected share* is the fraction that is frozen.
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

pub use calibration::{Calibration, Calibrator, Moment, Source};
pub use config::{
    BasePrecision, Decay, Form, OsftConfig, Others, Removed, SelectedTarget, SplitSource,
    TargetShare, Targets,
};
pub use error::OsftError;
pub use form::{CoreOptimizer, FreeCore, FreeFactors, KeptInput, StepCost};
pub use importance_measure::ImportanceMeasure;
pub use leak::{LayerChange, LayerLeak, LeakReport, OutputChange, SinceBase};
pub use module::Trainability;
pub use rule::{AdaptiveShare, LayerFacts, Rule, RuleKind, ShareRule, ShareRules, ShareSchedule};
pub use split::{
    Constraint, HeldNumbers, LayerSplit, LayerSummary, Osft, Side, SplitCache, SplitContext,
};
