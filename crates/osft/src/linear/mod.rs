//! `x W` whose gradient for `W` is formed in core coordinates, never that of the whole weight.

mod cost;
mod ops;

use burn::backend::{Dispatch, DispatchDevice};
use burn::module::Param;
use burn::tensor::{Device, Tensor};

use crate::{Osft, Side};
pub use cost::StepCost;
use cost::core_is_cheaper;
use ops::{CoreLinearOps, Reduction};

impl Osft {
    /// `x W` for a target weight, whose gradient then arrives in core coordinates: where that of the
    /// whole weight would be projected, only its projection is formed.
    ///
    /// With `N_P` and `N_Q` the free directions, the backward pass forms `(x N_P)ᵀ (g N_Q)` from the
    /// gradient `g` of the result. That is what [`project`](Self::project) and the optimizer make of the
    /// whole gradient `xᵀ g`, up to rounding; both take either. `x N_P` is kept in place of `x`.
    ///
    /// `None` where the layer is to do it itself: the weight is no target, its coordinates are as many
    /// as its numbers, forming the whole gradient is cheaper for so many tokens, or this crate was built
    /// without the backend of `x` (features `flex`, `ndarray`, `wgpu`, `cuda`).
    ///
    /// Use it in place of a layer's `forward`; a bias is added by the caller.
    ///
    /// # Shapes
    /// - `weight`: `[d_in, d_out]`
    /// - `x`: `[.., d_in]`
    /// - output: `[.., d_out]`
    ///
    /// # References
    ///
    /// The product rule alone: with `W = W₀ + N_P C N_Qᵀ`, `∂L/∂C = N_Pᵀ (xᵀ g) N_Q`.
    pub fn linear<const D: usize>(
        &self,
        weight: &Param<Tensor<2>>,
        x: &Tensor<D>,
    ) -> Option<Tensor<D>> {
        let layer = self.layers.iter().find(|layer| layer.id == weight.id)?;
        if layer.factors.is_some() || !has_operation(&layer.start.device()) {
            return None;
        }
        let mut dims = x.dims();
        let [d_in, d_out] = layer.shape;
        let tokens = dims.iter().product::<usize>() / d_in.max(1);
        if !core_is_cheaper(&layer.constraint, layer.shape, tokens) {
            return None;
        }
        let (input, output) = (&layer.constraint.input, &layer.constraint.output);
        let (input_basis, output_basis) = bases(input, output)?;
        let y = Dispatch::core_linear(
            x.clone().reshape([tokens, d_in]).into_dispatch(),
            weight.val().into_dispatch(),
            input_basis.clone().into_dispatch(),
            output_basis.clone().into_dispatch(),
            Reduction::of(input),
            Reduction::of(output),
        );
        *dims.last_mut()? = d_out;
        Some(Tensor::<2>::from_dispatch(y).reshape(dims))
    }
}

/// The bases of both sides. One that protects nothing has none and is given the other's, which is not
/// read.
fn bases<'a>(input: &'a Side, output: &'a Side) -> Option<(&'a Tensor<2>, &'a Tensor<2>)> {
    let basis = |side: &'a Side| match side {
        Side::Free(basis) | Side::Protected(basis) => Some(basis),
        Side::Open | Side::Closed => None,
    };
    let (input, output) = (basis(input), basis(output));
    Some((input.or(output)?, output.or(input)?))
}

/// Whether the operation was built for a device's backend; Burn panics where it was not.
fn has_operation(device: &Device) -> bool {
    match device.as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        DispatchDevice::Cube(_) => true,
        #[allow(unreachable_patterns)]
        _ => false,
    }
}
