//! `x W` for a weight that trains through its core. `W` is not stored, and the whole gradient is not computed
//! if the core gradient is cheaper.

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

/// What a product saves of its input for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptInput {
    /// The input itself. It takes no extra memory if another operation saves it too, or if the previous
    /// operation recomputes it.
    #[default]
    Whole,
    /// Its coordinates in the free directions, if the gradient is computed from them. This saves memory if
    /// nothing else saves the input.
    Coordinates,
}

impl Osft {
    /// Computes `x W` for a target of a module that [`prepare`](Self::prepare) returned.
    ///
    /// Use it in place of a layer's `forward`; the caller adds the bias.
    ///
    /// The result and its derivatives equal those of `x.matmul(weight.val())`, up to rounding, but no weight
    /// is stored twice. For many tokens, `W` is formed for the product, dropped, and formed again in the
    /// backward pass. Few tokens are multiplied by `W₀` and, in coordinates, by the core. The core gradient
    /// is computed in the cheaper of two ways: as `(x N_P)ᵀ (g N_Q)` from the gradient `g` of the result, or
    /// as `N_Pᵀ (xᵀ g) N_Q`. `x` is saved for the backward pass; [`linear_keeping`](Self::linear_keeping) can
    /// save less.
    ///
    /// The core must satisfy its constraint, as it does with [`optimizer`](Self::optimizer). With another
    /// optimizer, multiply by `weight.val()`, which applies the constraint.
    ///
    /// Returns `None` if the layer must compute the product itself: if the weight has no core, is in the
    /// `weight` form or is stored in two bytes; if inputs, weight and core differ in type; if nothing is
    /// differentiated; or if this crate was built without the backend of `x` (features `flex`, `ndarray`,
    /// `wgpu`, `cuda`).
    ///
    ///
    /// # Shapes
    /// - `weight`: `[d_in, d_out]`
    /// - `x`: `[.., d_in]`
    /// - output: `[.., d_out]`
    ///
    /// # References
    ///
    /// The product rule: with `W = W₀ + N_P C N_Qᵀ`, `∂L/∂C = N_Pᵀ (xᵀ g) N_Q`.
    pub fn linear<const D: usize>(weight: &Param<Tensor<2>>, x: &Tensor<D>) -> Option<Tensor<D>> {
        Self::linear_keeping(weight, x, KeptInput::Whole)
    }

    /// As [`linear`](Self::linear), with a choice of what is saved of `x` for the backward pass.
    ///
    /// # Shapes
    /// - as for [`linear`](Self::linear)
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

/// The bases of both sides. A side without a basis gets the other's as a placeholder, which is never read.
/// `None` if neither side has a basis.
fn bases<'a>(input: &'a Side, output: &'a Side) -> Option<(&'a Tensor<2>, &'a Tensor<2>)> {
    let (input, output) = (input.basis(), output.basis());
    Some((input.or(output)?, output.or(input)?))
}

/// Whether the operation was built for the backend of a device; Burn panics otherwise.
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
