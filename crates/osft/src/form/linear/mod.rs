//! `x W` for a weight that is trained through its core: without keeping `W`, and without forming the
//! gradient of all of it where that of the core is cheaper.

mod cost;
mod ops;

use burn::backend::{Dispatch, DispatchDevice};
use burn::module::Param;
use burn::tensor::{Device, Tensor};

pub use cost::StepCost;
use ops::{CoreLinearOps, Plan};

use crate::config::Removed;
use crate::form::FreeCore;
use crate::module::{beside, computed};
use crate::split::{Osft, Side};

/// What is kept of the input of a product for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptInput {
    /// The input. It costs nothing where something else needs it too, or the operation before is ready to
    /// compute it again.
    #[default]
    Whole,
    /// Its coordinates in the free directions, where those are what the gradient is formed from: less, if
    /// nothing else keeps the input.
    Coordinates,
}

impl Osft {
    /// `x W` for a target of a module that [`prepare`](Self::prepare) returned.
    ///
    /// The result and its derivatives are those of `x.matmul(weight.val())`, up to rounding. But no weight
    /// is held twice: for many tokens `W` is formed for the product and dropped, and once more in the backward
    /// pass; few are multiplied by `W₀` and, in coordinates, by the core. And the gradient of the
    /// core is formed in the cheaper of two ways: as `(x N_P)ᵀ (g N_Q)` from the gradient `g` of the
    /// result, or as `N_Pᵀ (xᵀ g) N_Q`. `x` is kept; [`linear_keeping`](Self::linear_keeping) can do with less.
    ///
    /// The core is taken as it is: inside its constraint, where [`optimizer`](Self::optimizer) keeps it. With
    /// another optimizer multiply by `weight.val()`, which constrains it.
    ///
    /// `None` where the layer is to do it itself: the weight has no core, is in the `weight` form or stored in
    /// two bytes, inputs, weight and core are not of one type, nothing is differentiated, or this crate was
    /// built without the backend of `x` (features `flex`, `ndarray`, `wgpu`, `cuda`).
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
    pub fn linear<const D: usize>(weight: &Param<Tensor<2>>, x: &Tensor<D>) -> Option<Tensor<D>> {
        Self::linear_keeping(weight, x, KeptInput::Whole)
    }

    /// As [`linear`](Self::linear), for a caller who knows who else needs `x` in the backward pass.
    ///
    /// # Shapes
    /// - as those of [`linear`](Self::linear)
    pub fn linear_keeping<const D: usize>(
        weight: &Param<Tensor<2>>,
        x: &Tensor<D>,
        kept: KeptInput,
    ) -> Option<Tensor<D>> {
        let attached = weight.reparameterization::<FreeCore>()?;
        let (constraint, core) = (attached.constraint(), attached.core().val());
        let base = weight.base();
        let one_type = [computed(base.dtype()), x.dtype()] == [core.dtype(); 2];
        if constraint.removed == Removed::Block
            || attached.rounds(base.dtype())
            || !one_type
            || !core.is_autodiff()
            || !has_operation(&core.device().inner())
        {
            return None;
        }
        let [d_in, d_out] = base.dims();
        let tokens = x.dims().iter().product::<usize>() / d_in.max(1);
        let (input, output) = (&constraint.input, &constraint.output);
        let (input_basis, output_basis) = bases(input, output)?;
        let like = |basis: &Tensor<2>| beside(basis.clone(), x).into_dispatch();
        Some(Tensor::from_dispatch(Dispatch::core_linear(
            x.clone().into_dispatch(),
            core.into_dispatch(),
            base.into_dispatch(),
            like(input_basis),
            like(output_basis),
            Plan::new(constraint, [d_in, d_out], tokens, kept),
        )))
    }
}

/// The bases of both sides. One that protects nothing has none and is given the other's, which is not
/// read.
fn bases<'a>(input: &'a Side, output: &'a Side) -> Option<(&'a Tensor<2>, &'a Tensor<2>)> {
    let (input, output) = (input.basis(), output.basis());
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
