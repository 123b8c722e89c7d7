//! How many numbers a split holds while its module trains.

use std::iter::Sum;
use std::ops::Add;

use burn::module::Module;
use burn::tensor::DType;
use serde::{Deserialize, Serialize};

use crate::calibration::{MAX_DENSE_DIMENSION, SKETCH_ROWS};
use crate::config::{BasePrecision, Decay, OsftConfig, Removed, SplitSource};
use crate::error::OsftError;
use crate::module::{Survey, dtypes, is_half};
use crate::rule::{Rule, protected_by_size};
use crate::split::{Constraint, Osft, check_count, chosen, keeps_free_basis};

/// Numbers that are held for the targets of a module while they train, beside activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNumbers {
    /// Weights in f32, or f64 in a module of f64.
    pub weights: usize,
    /// Weights in bf16 or f16.
    pub bf16_weights: usize,
    /// What a change is measured against, or decays towards, where that is a copy: weights of which everything
    /// is free, in the factored forms the weights at the split and the first values of the factors, with
    /// [`Decay::Weight`] the coordinates of the weights.
    pub starts: usize,
    /// Orthonormal bases.
    pub bases: usize,
    /// Cores or factors.
    pub attached: usize,
    /// What trains: cores, factors, and weights of which everything is free. A step holds a gradient of
    /// each, AdamW two moments.
    pub trained: usize,
}

impl HeldNumbers {
    /// Bytes with a gradient and two moments in f32 of everything that trains. In a module of f64 all but what
    /// is held in two bytes takes twice as many.
    pub fn bytes(&self) -> usize {
        let single = self.weights + self.starts + self.bases + self.attached;
        2 * self.bf16_weights + 4 * (single + 3 * self.trained)
    }

    /// `half`: the weight is stored in two bytes.
    fn of_layer(
        config: &OsftConfig,
        [d_in, d_out]: [usize; 2],
        [k_in, k_out]: [usize; 2],
        half: bool,
    ) -> Self {
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
        let bases = basis(d_in, k_in) + basis(d_out, k_out);
        if k_in == d_in || k_out == d_out {
            return Self {
                bases,
                ..stored(half)
            };
        }
        let factored = config.form.is_factored();
        // A factored form holds factors of all of it, and a weight in two bytes has a core.
        if (k_in, k_out) == (0, 0) && !factored && !half {
            return Self {
                // The weight of the split stays beside the one that is trained.
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
            (false, Removed::EitherSide) => coordinates(d_in, k_in) * coordinates(d_out, k_out),
        };
        // What factors leave of a weight has their precision, and the weight of the split stays beside it.
        let (base, start) = match (factored, config.base_precision) {
            (true, _) => (stored(false), stored(half)),
            (false, BasePrecision::Full) => (stored(half), Self::default()),
            (false, BasePrecision::Bf16) => (stored(true), Self::default()),
        };
        Self {
            weights: base.weights,
            bf16_weights: base.bf16_weights + start.bf16_weights,
            bases,
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
    /// What is held for the targets while they train.
    pub fn held_numbers(&self) -> HeldNumbers {
        let layers = self.layers.iter();
        layers
            .map(|layer| {
                let half = is_half(layer.start.dtype());
                let protected = [layer.k_in, layer.k_out];
                HeldNumbers::of_layer(&self.config, layer.shape, protected, half)
            })
            .sum()
    }

    /// What a split would hold, without decomposing anything or looking at a value. Inputs count as held as a
    /// [`Calibrator`](crate::Calibrator) holds them by default, not by its `with_sketch`. A module that was
    /// built and not filled suffices (of weights that are stored transposed Burn tells the shape the other way
    /// round until then). `None` where the rule, or the source, decides by what it decomposes.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`], [`OsftError::NoLinearLayer`], [`OsftError::TooManyDirections`], and what
    /// [`OsftConfig::validate`] finds.
    pub fn held_numbers_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<Option<HeldNumbers>, OsftError> {
        summed(module, config, |shape, protected, half| {
            HeldNumbers::of_layer(config, shape, protected, half)
        })
    }

    /// Free degrees of freedom that a split would leave, without decomposing anything; `None`
    /// where the rule, or the source, decides by what it decomposes.
    ///
    /// # Errors
    ///
    /// Those of [`held_numbers_of`](Self::held_numbers_of).
    pub fn free_parameters_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<Option<usize>, OsftError> {
        let removed = config.form.removed();
        summed(module, config, |shape, protected, _| {
            Constraint::degrees_of_freedom(removed, shape, protected)
        })
    }
}

/// What is counted of the targets of a module by their shapes, numbers of protected directions, and
/// whether they are stored in two bytes; `None` where the shapes alone do not decide those. Weights that are
/// frozen count: whether one is, a parameter that is not filled yet does not say.
pub(crate) fn summed<M: Module, T: Sum>(
    module: &M,
    config: &OsftConfig,
    of: impl Fn([usize; 2], [usize; 2], bool) -> T,
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
        let protected = protected_of(target.shape, rule.as_ref(), config.split)?;
        let half = dtypes
            .get(&target.id)
            .is_some_and(|dtype: &DType| is_half(*dtype));
        Some(of(target.shape, protected, half))
    });
    Ok(layers.sum())
}

/// Protected directions of both sides where the shape alone decides.
fn protected_of(shape: [usize; 2], rule: &dyn Rule, split: SplitSource) -> Option<[usize; 2]> {
    let of = |directions: usize| protected_by_size(rule, directions);
    match split {
        SplitSource::Weights => Some([of(shape[0].min(shape[1]))?; 2]),
        // A sketch knows no more directions than it has rows.
        SplitSource::Inputs if shape[0] > MAX_DENSE_DIMENSION => {
            Some([of(shape[0])?.min(SKETCH_ROWS), 0])
        }
        SplitSource::Inputs => Some([of(shape[0])?, 0]),
        SplitSource::Both => None,
    }
}
