//! How many numbers a split holds while its module trains.

use std::iter::Sum;
use std::ops::Add;

use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::share::floored;
use crate::side::keeps_free_basis;
use crate::{BasePrecision, Decay, Osft, OsftConfig, OsftError, Removed, ShareRule, SplitSource};

/// Numbers that are held for the targets of a module while they train, beside activations and the gradients
/// of fully protected targets, which a step forms and drops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNumbers {
    /// Weights in f32.
    pub weights: usize,
    /// Weights in bf16.
    pub bf16_weights: usize,
    /// What a change is measured against, or decays towards, where that is a copy: in the factored forms
    /// the weights at the split and the first values of the factors, with [`Decay::Weight`] the
    /// coordinates of the weights.
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
    /// Bytes with a gradient and two moments in f32 of everything that trains.
    pub fn bytes(&self) -> usize {
        let single = self.weights + self.starts + self.bases + self.attached;
        2 * self.bf16_weights + 4 * (single + 3 * self.trained)
    }

    fn of_layer(config: &OsftConfig, [d_in, d_out]: [usize; 2], [k_in, k_out]: [usize; 2]) -> Self {
        let weights = d_in * d_out;
        let whole = Self {
            weights,
            ..Self::default()
        };
        if k_in == d_in || k_out == d_out {
            return whole;
        }
        // A factored form holds factors of all of it.
        if (k_in, k_out) == (0, 0) && !config.form.is_factored() {
            return Self {
                trained: weights,
                ..whole
            };
        }
        let basis = |d: usize, k: usize| match keeps_free_basis(d, k) {
            true => d * (d - k),
            false => d * k,
        };
        let coordinates = |d: usize, k: usize| match keeps_free_basis(d, k) {
            true => d - k,
            false => d,
        };
        let attached = match (config.form.is_factored(), config.form.removed()) {
            (true, _) => (d_in - k_in).min(d_out - k_out) * (d_in + 1 + d_out),
            (false, Removed::Block) => weights,
            (false, Removed::EitherSide) => coordinates(d_in, k_in) * coordinates(d_out, k_out),
        };
        let held = Self {
            bases: basis(d_in, k_in) + basis(d_out, k_out),
            attached,
            trained: attached,
            starts: match (config.form.is_factored(), config.decay) {
                (true, _) => weights + attached,
                (false, Decay::Weight) => attached,
                (false, Decay::Change) => 0,
            },
            ..whole
        };
        match config.base_precision {
            BasePrecision::Full => held,
            BasePrecision::Bf16 => Self {
                weights: 0,
                bf16_weights: weights,
                ..held
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
                HeldNumbers::of_layer(&self.config, layer.shape, [layer.k_in, layer.k_out])
            })
            .sum()
    }

    /// What a split would hold, without decomposing anything or looking at a value: a module that was
    /// built and not filled suffices. `None` where the rule, or the source, decides by what it decomposes.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`], and what [`OsftConfig::validate`] finds.
    pub fn held_numbers_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<Option<HeldNumbers>, OsftError> {
        summed(module, config, |shape, protected| {
            HeldNumbers::of_layer(config, shape, protected)
        })
    }
}

/// What is counted of the targets of a module by their shapes and numbers of protected directions; `None`
/// where the shapes alone do not decide those.
pub(crate) fn summed<M: Module, T: Sum>(
    module: &M,
    config: &OsftConfig,
    of: impl Fn([usize; 2], [usize; 2]) -> T,
) -> Result<Option<T>, OsftError> {
    config.validate()?;
    let targets = config.targets.selected(module)?;
    let layers = targets.iter().map(|target| {
        let protected = protected_of(target.shape, config)?;
        Some(of(target.shape, protected))
    });
    Ok(layers.sum())
}

/// Protected directions of both sides where the shape alone decides.
fn protected_of(shape: [usize; 2], config: &OsftConfig) -> Option<[usize; 2]> {
    let ShareRule::Fixed(share) = config.protected_share else {
        return None;
    };
    match config.split {
        SplitSource::Weights => Some([floored(share, shape[0].min(shape[1])); 2]),
        SplitSource::Inputs => Some([floored(share, shape[0]), 0]),
        SplitSource::Both => None,
    }
}
