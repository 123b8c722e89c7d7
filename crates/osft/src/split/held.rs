//! How many numbers a split stores while its module trains.

use std::iter::Sum;
use std::ops::Add;

use burn::module::Module;
use burn::tensor::DType;
use serde::{Deserialize, Serialize};

use crate::calibration::{MAX_DENSE_DIMENSION, SKETCH_ROWS};
use crate::config::{BasePrecision, Combine, Decay, OsftConfig, Removed, Scaling, SplitSource};
use crate::error::OsftError;
use crate::module::{Survey, dtypes, is_half};
use crate::rule::{Rule, protected_by_size};
use crate::split::{Constraint, Osft, check_count, chosen, keeps_free_basis};

/// How many numbers are stored for the targets of a module while they train, without activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNumbers {
    /// Weights in f32 (f64 in a module of f64).
    pub weights: usize,
    /// Weights in bf16 or f16.
    pub bf16_weights: usize,
    /// Additional copies of reference values: the weights of targets without protected directions; in the
    /// factored forms the weights at the split and the initial factors; with [`Decay::Weight`] the
    /// coordinates of the weights.
    pub starts: usize,
    /// Orthonormal bases and, with a bound on the outputs' change, roots of the moments.
    pub bases: usize,
    /// Cores or factors.
    pub attached: usize,
    /// Trainable numbers: cores, factors, and weights without protected directions. A step stores a gradient
    /// of each, AdamW two moments.
    pub trained: usize,
}

impl HeldNumbers {
    /// Memory in bytes, with a gradient and two moments in f32 for every trainable number. In a module of
    /// f64, everything that is not stored in two bytes takes twice as much.
    pub fn bytes(&self) -> usize {
        let single = self.weights + self.starts + self.bases + self.attached;
        2 * self.bf16_weights + 4 * (single + 3 * self.trained)
    }

    /// The numbers of one layer; `half`: the weight is stored in two bytes.
    fn of_layer(
        config: &OsftConfig,
        [d_in, d_out]: [usize; 2],
        protected: Protected,
        half: bool,
    ) -> Self {
        let Protected {
            k_in,
            k_out,
            scaled,
        } = protected;
        let numbers = d_in * d_out;
        let stored = |half: bool| match half {
            true => Self {
                bf16_weights: numbers,
                ..Self::default()
            },
            false => Self {
                weights: numbers,
                ..Self::default()
            },
        };
        let basis = |d: usize, k: usize| match (k == d, keeps_free_basis(d, k)) {
            (true, _) => 0,
            (_, true) => d * (d - k),
            (_, false) => d * k,
        };
        let of_inputs = match scaled {
            true => d_in * (d_in - k_in),
            false => basis(d_in, k_in),
        };
        let bases = of_inputs + basis(d_out, k_out);
        let limited = config.max_output_change.is_some();
        if k_in == d_in || k_out == d_out {
            return Self {
                bases,
                ..stored(half)
            };
        }
        let factored = config.form.is_factored();
        // A factored form has factors even if everything is free, and a weight in two bytes has a core.
        if (k_in, k_out) == (0, 0) && !scaled && !factored && !half && !limited {
            return Self {
                // The split stores the weight, and another copy of it trains.
                starts: numbers,
                trained: numbers,
                ..stored(half)
            };
        }
        let coordinates = |d: usize, k: usize| match keeps_free_basis(d, k) {
            true => d - k,
            false => d,
        };
        let attached = match (factored, config.form.removed()) {
            (true, _) => (d_in - k_in).min(d_out - k_out) * (d_in + 1 + d_out),
            (false, Removed::Block) => numbers,
            (false, Removed::EitherSide) if scaled => (d_in - k_in) * d_out,
            (false, Removed::EitherSide) => coordinates(d_in, k_in) * coordinates(d_out, k_out),
        };
        let of_limit = match (limited, config.form.removed()) {
            (false, _) => 0,
            (true, Removed::Block) => root_of_moment(d_in, d_in),
            (true, Removed::EitherSide) if scaled => root_of_moment(d_in, d_in - k_in),
            (true, Removed::EitherSide) => root_of_moment(d_in, coordinates(d_in, k_in)),
        };
        // The rest of a factored weight has the type of the factors, and the split stores the weight beside
        // it.
        let (base, start) = match (factored, config.base_precision) {
            (true, _) => (stored(false), stored(half)),
            (false, BasePrecision::Full) => (stored(half), Self::default()),
            (false, BasePrecision::Bf16) => (stored(true), Self::default()),
        };
        Self {
            weights: base.weights,
            bf16_weights: base.bf16_weights + start.bf16_weights,
            bases: bases + of_limit,
            attached,
            trained: attached,
            starts: match (factored, config.decay) {
                (true, _) => start.weights + attached,
                (false, Decay::Weight) => attached,
                (false, Decay::Change) => 0,
            },
        }
    }
}

/// Number of scalars of the root of a moment that bounds the outputs' change, if the moment is stored as a
/// [`Calibrator`](crate::Calibrator) does by default.
fn root_of_moment(d_in: usize, coordinates: usize) -> usize {
    let rows = match d_in > MAX_DENSE_DIMENSION {
        true => SKETCH_ROWS,
        false => coordinates,
    };
    rows * coordinates
}

impl Add for HeldNumbers {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            bf16_weights: self.bf16_weights + other.bf16_weights,
            starts: self.starts + other.starts,
            bases: self.bases + other.bases,
            attached: self.attached + other.attached,
            trained: self.trained + other.trained,
        }
    }
}

impl Sum for HeldNumbers {
    fn sum<I: Iterator<Item = Self>>(layers: I) -> Self {
        layers.fold(Self::default(), Add::add)
    }
}

impl Osft {
    /// Counts the numbers that this split stores while its targets train.
    pub fn held_numbers(&self) -> HeldNumbers {
        let layers = self.layers.iter();
        layers
            .map(|layer| {
                let half = is_half(layer.start.dtype());
                let protected = Protected {
                    k_in: layer.k_in,
                    k_out: layer.k_out,
                    scaled: layer.mean_scale.is_some(),
                };
                HeldNumbers::of_layer(&self.config, layer.shape, protected, half)
            })
            .sum()
    }

    /// Predicts the numbers that a split would store, without decomposing anything or reading a value. An
    /// uninitialized module suffices. (Burn reports the shape of a weight that is stored transposed the other
    /// way round until the weight is initialized.) Input moments are assumed to be stored as a
    /// [`Calibrator`](crate::Calibrator) does by default, without its `with_sketch`; directions of
    /// [first tokens](crate::MomentConfig::skip_first), one per position and source, are not counted. `None` if the rule or
    /// the source depends on the decomposition.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`], [`OsftError::NoLinearLayer`] and [`OsftError::NothingTrains`] if there is
    /// nothing to split, [`OsftError::NoTargetOfShare`] if the pattern of a share matches no target,
    /// [`OsftError::TooManyDirections`] if a layer is too small for a rule, and the errors of
    /// [`OsftConfig::validate`].
    pub fn held_numbers_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<Option<HeldNumbers>, OsftError> {
        summed(module, config, |shape, protected, half| {
            HeldNumbers::of_layer(config, shape, protected, half)
        })
    }

    /// Predicts the number of free degrees of freedom, without decomposing anything; `None` if the rule or
    /// the source depends on the decomposition.
    ///
    /// # Errors
    ///
    /// The errors of [`held_numbers_of`](Self::held_numbers_of).
    pub fn free_parameters_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<Option<usize>, OsftError> {
        let removed = config.form.removed();
        summed(module, config, |shape, protected, _| {
            Constraint::degrees_of_freedom(removed, shape, [protected.k_in, protected.k_out])
        })
    }
}

/// Sums `count` over the targets of a module. It gets the shape, the numbers of protected directions and
/// whether the weight is stored in two bytes. `None` if the shapes alone do not decide the numbers. Frozen
/// weights count too, since an uninitialized parameter does not tell whether it is frozen.
pub(crate) fn summed<M: Module, T: Sum>(
    module: &M,
    config: &OsftConfig,
    count: impl Fn([usize; 2], Protected, bool) -> T,
) -> Result<Option<T>, OsftError> {
    config.validate()?;
    let (targets, _) = chosen(&Survey::of(module), config, |_| true)?;
    let dtypes = dtypes(module);
    let paths: Vec<&str> = targets.iter().map(|target| target.path.as_str()).collect();
    let rules = config.rules_of(&paths)?;
    for (target, rule) in targets.iter().zip(&rules) {
        check_count(&target.path, target.shape, rule.as_ref(), config.split)?;
    }
    let layers = targets.iter().zip(rules).map(|(target, rule)| {
        let protected = protected_of(target.shape, rule.as_ref(), config)?;
        let half = dtypes
            .get(&target.id)
            .is_some_and(|dtype: &DType| is_half(*dtype));
        Some(count(target.shape, protected, half))
    });
    Ok(layers.sum())
}

/// The protected directions of a layer, as far as they decide what is stored.
#[derive(Clone, Copy)]
pub(crate) struct Protected {
    k_in: usize,
    k_out: usize,
    /// Whether the other input directions are scaled.
    scaled: bool,
}

/// The protected directions, if the shape alone decides their number.
fn protected_of(shape: [usize; 2], rule: &dyn Rule, config: &OsftConfig) -> Option<Protected> {
    let by_size = |directions: usize| protected_by_size(rule, directions);
    let hard = |[k_in, k_out]: [usize; 2]| Protected {
        k_in,
        k_out,
        scaled: false,
    };
    let d_in = shape[0];
    match config.split {
        SplitSource::Weights => Some(hard([by_size(d_in.min(shape[1]))?; 2])),
        SplitSource::Inputs if config.combine == Combine::Union => None,
        SplitSource::Inputs => {
            let k_in = by_size(d_in)?;
            Some(match config.scaling {
                // The direction of the largest energy has no scale.
                Scaling::Scaled if 0 < k_in && k_in < d_in => Protected {
                    k_in: 1,
                    k_out: 0,
                    scaled: true,
                },
                Scaling::Ridge if 0 < k_in && k_in < d_in => Protected {
                    k_in: 0,
                    k_out: 0,
                    scaled: true,
                },
                // A sketch has no more directions than rows.
                _ if d_in > MAX_DENSE_DIMENSION => hard([k_in.min(SKETCH_ROWS), 0]),
                _ => hard([k_in, 0]),
            })
        }
        // A sketch has no more directions than rows.
        SplitSource::InputsAndGradients => {
            let of_side = |d: usize| {
                let k = by_size(d)?;
                Some(match d > MAX_DENSE_DIMENSION {
                    true => k.min(SKETCH_ROWS),
                    false => k,
                })
            };
            Some(hard([of_side(d_in)?, of_side(shape[1])?]))
        }
        SplitSource::Both => None,
    }
}
