//! Multiplication by weights that are trained through a core.

use ::osft::{KeptInput, Osft};
use burn::module::Param;
use burn::tensor::Tensor;
use lm::{InputNeeded, LinearMap};

/// Multiplies by weights that are trained through a core, without computing them; see
/// [`Osft::linear`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ThroughCores;

impl LinearMap for ThroughCores {
    fn apply(
        &self,
        weight: &Param<Tensor<2>>,
        x: &Tensor<3>,
        needed: InputNeeded,
    ) -> Option<Tensor<3>> {
        let kept = match needed {
            InputNeeded::Here => KeptInput::Coordinates,
            InputNeeded::Elsewhere => KeptInput::Whole,
        };
        Osft::linear_keeping(weight, x, kept)
    }
}
