//! `x W` for a weight that trains through its core. `W` is not stored, and the whole gradient is not computed
//! if the core gradient is cheaper.

mod composed;
mod cost;
#[cfg(any(
    feature = "flex",
    feature = "ndarray",
    feature = "wgpu",
    feature = "cuda"
))]
mod ops;
mod plan;

use burn::module::Param;
use burn::tensor::{DType, Tensor};

pub use cost::StepCost;
use plan::Plan;

use crate::config::Removed;
use crate::form::FreeCore;
use crate::module::computed;
use crate::split::Osft;

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
    /// backward pass. Few tokens are multiplied by `W₀` and, in coordinates, by the core. Each pass takes the
    /// way with fewer multiplications. The core gradient is computed in the cheaper of two ways: as
    /// `(x N_P)ᵀ (g N_Q)` from the gradient `g` of the result, or as `N_Pᵀ (xᵀ g) N_Q`. `x` is saved for the backward
    /// pass; [`linear_keeping`](Self::linear_keeping) can save less.
    ///
    /// The core must satisfy its constraint, as it does with [`optimizer`](Self::optimizer). With another
    /// optimizer, multiply by `weight.val()`, which applies the constraint.
    ///
    /// Returns `None` if the layer must compute the product itself: if the weight has no core, protects
    /// nothing, is in the `weight` form or is stored in two bytes; if weight and core differ in type, or inputs that are
    /// not in bf16 (see [`linear_in`](Self::linear_in)); or if nothing is differentiated. On a backend whose feature
    /// (`flex`, `ndarray`, `wgpu`, `cuda`) is off, Burn's own operations compute the same, with more memory; inputs in bf16
    /// are left to the layer there.
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
        Self::linear_in(weight, x, kept, x.dtype())
    }

    /// As [`linear_keeping`](Self::linear_keeping), with a type of the products: mixed precision.
    ///
    /// In bf16, inputs and gradients of the result are rounded to it before they are multiplied, and the result has it. The
    /// weight is formed, and the core gradient projected, in the type of the core. The gradient of `x` has the type of `x`.
    /// Inputs may have either type. A backend whose feature is off leaves products in bf16 to the layer.
    ///
    /// # Shapes
    /// - as for [`linear`](Self::linear)
    pub fn linear_in<const D: usize>(
        weight: &Param<Tensor<2>>,
        x: &Tensor<D>,
        kept: KeptInput,
        dtype: DType,
    ) -> Option<Tensor<D>> {
        let attached = weight.reparameterization::<FreeCore>()?;
        let (constraint, core) = (attached.constraint(), attached.core().val());
        let base = weight.base();
        let mixed = dtype == DType::BF16;
        let fits = |dtype| dtype == core.dtype() || (mixed && dtype == DType::BF16);
        let one_type = computed(base.dtype()) == core.dtype() && fits(dtype) && fits(x.dtype());
        if constraint.removed == Removed::Block
            || attached.rounds(base.dtype())
            || !one_type
            || !core.is_autodiff()
        {
            return None;
        }
        let [d_in, d_out] = base.dims();
        let tokens = x.dims().iter().product::<usize>() / d_in.max(1);
        let plan = Plan {
            dtype: Some(dtype),
            ..Plan::new(constraint, [d_in, d_out], tokens, kept)
        };
        // A split that protects nothing leaves an ordinary weight.
        constraint.input.basis().or(constraint.output.basis())?;
        #[cfg(any(
            feature = "flex",
            feature = "ndarray",
            feature = "wgpu",
            feature = "cuda"
        ))]
        if ops::are_built_for(&core.device().inner()) {
            return ops::product(x, base, core, constraint, plan);
        }
        (!mixed).then(|| composed::product(x, base, core, constraint, plan))
    }
}
