//! Multiplication by weights that are trained through a core.

use ::osft::{KeptInput, Osft};
use burn::module::Param;
use burn::tensor::Tensor;
use lm::{InputNeeded, LinearMap, Product};

/// Multiplies by weights that are trained through a core, without computing them; see
/// [`Osft::linear`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ThroughCores;

impl LinearMap for ThroughCores {
    fn apply(
        &self,
        weight: &Param<Tensor<2>>,
        x: &Tensor<3>,
        product: Product,
    ) -> Option<Tensor<3>> {
        let kept = match product.needed {
            InputNeeded::Here => KeptInput::Coordinates,
            InputNeeded::Elsewhere => KeptInput::Whole,
        };
        Osft::linear_in(weight, x, kept, product.dtype)
    }
}
