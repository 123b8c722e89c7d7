//! The operation, on every backend that this crate is built for, and its backward pass.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{
    Backend, Dispatch, DispatchDevice, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn::tensor::{DType, Device, Tensor};
use kernels::{Chains, as_rows, in_type, unflattened};

use super::plan::{Plan, Reduction};
use crate::module::beside;
use crate::split::Constraint;

/// `x W` by the operation; `None` if neither side has a basis.
///
/// # Shapes
/// - `x`: `[.., d_in]`
/// - output: `[.., d_out]`
pub(super) fn product<const D: usize>(
    x: &Tensor<D>,
    base: Tensor<2>,
    core: Tensor<2>,
    constraint: &Constraint,
    plan: Plan,
) -> Option<Tensor<D>> {
    let (input, output) = (constraint.input.basis(), constraint.output.basis());
    // The operation takes two bases; one that is missing is never read.
    let bases = [input.or(output)?, output.or(input)?];
    let [input, output] = bases.map(|basis| beside(basis.clone(), x).into_dispatch());
    Some(Tensor::from_dispatch(Dispatch::core_linear(
        x.clone().into_dispatch(),
        core.into_dispatch(),
        base.into_dispatch(),
        input,
        output,
        plan,
    )))
}

/// Whether the operation was built for the backend of a device; Burn panics if it was not.
pub(super) fn are_built_for(device: &Device) -> bool {
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

/// `x (W₀ + N_P C N_Qᵀ)`, differentiable by `x` and `C`. Products with rows of `x` or of the output's gradient have the type
/// of the plan, everything else that of the core, the core's gradient included.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait CoreLinearOps: Chains {
    /// # Shapes
    /// - `x`: `[.., d_in]`
    /// - `core`: see [`Constraint::core_shape`](crate::Constraint::core_shape)
    /// - `base`: `[d_in, d_out]`
    /// - `input_basis`: `[d_in, _]`; not read if its side reduces nothing
    /// - `output_basis`: `[d_out, _]`; not read if its side reduces nothing
    /// - output: `[.., d_out]`
    fn core_linear(
        x: FloatTensor<Self>,
        core: FloatTensor<Self>,
        base: FloatTensor<Self>,
        input_basis: FloatTensor<Self>,
        output_basis: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let (input, output) = Basis::<Self>::pair(input_basis, output_basis, plan);
        let parts = Parts {
            core,
            base,
            input,
            output,
        };
        let shape = x.shape();
        let y = parts.forward(plan.rows::<Self>(x), None, plan);
        unflattened::<Self>(y, shape)
    }
}

#[cfg(feature = "flex")]
impl CoreLinearOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl CoreLinearOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl CoreLinearOps for burn::backend::Cube {}

impl<B: CoreLinearOps, C: CheckpointStrategy> CoreLinearOps for Autodiff<B, C> {
    fn core_linear(
        x: FloatTensor<Self>,
        core: FloatTensor<Self>,
        base: FloatTensor<Self>,
        input_basis: FloatTensor<Self>,
        output_basis: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let (core, core_node) = core.into_parts();
        let base = base.into_primitive();
        let (input_basis, output_basis) =
            (input_basis.into_primitive(), output_basis.into_primitive());
        let (input, output) = Basis::<B>::pair(input_basis, output_basis, plan);
        let parts = Parts {
            core,
            base,
            input,
            output,
        };
        let prepared = CoreLinear.prepare::<C>([x.node(), core_node]);
        match prepared.compute_bound().stateful() {
            OpsKind::UnTracked(prepared) => {
                let x = x.into_primitive();
                let shape = x.shape();
                let y = parts.forward(plan.rows::<B>(x), None, plan);
                prepared.finish(unflattened::<B>(y, shape))
            }
            OpsKind::Tracked(mut prepared) => {
                let of = x.primitive().dtype();
                let shape = x.primitive().shape();
                let rows = plan.rows::<B>(x.primitive().clone());
                // Whole inputs are kept as they came: an input that is computed again takes no memory.
                let (kept, lowered) = match plan.coordinates_kept {
                    true => {
                        let lowered = parts.input.on_rows(rows.clone());
                        (Kept::Coordinates(lowered.clone()), Some(lowered))
                    }
                    false => (Kept::Whole(prepared.checkpoint(&x)), None),
                };
                drop(x);
                let y = parts.forward(rows, lowered, plan);
                prepared.finish((kept, of, parts, plan), unflattened::<B>(y, shape))
            }
        }
    }
}

impl Plan {
    /// Inputs as rows, in the type of the products.
    fn rows<B: Backend>(self, x: FloatTensor<B>) -> FloatTensor<B> {
        let dtype = self.dtype.unwrap_or(x.dtype());
        in_type::<B>(as_rows::<B>(x), dtype)
    }
}

/// The product of rows with a matrix, in the type of the rows.
fn rows_by<B: Chains>(rows: FloatTensor<B>, matrix: FloatTensor<B>) -> FloatTensor<B> {
    let matrix = in_type::<B>(matrix, rows.dtype());
    B::product(rows, matrix)
}

/// The parts of `W₀ + N_P C N_Qᵀ`.
#[derive(Clone, Debug)]
struct Parts<B: Backend> {
    core: FloatTensor<B>,
    base: FloatTensor<B>,
    input: Basis<B>,
    output: Basis<B>,
}

impl<B: Chains> Parts<B> {
    /// The weight, in the type of the core.
    fn weight(&self) -> FloatTensor<B> {
        let change = self.input.lifted_columns(self.core.clone());
        let base = in_type::<B>(self.base.clone(), self.core.dtype());
        self.output.lifted_rows_added(base, change)
    }

    /// `x W` for rows; `lowered`: the inputs in coordinates, if they exist already.
    fn forward(
        &self,
        x: FloatTensor<B>,
        lowered: Option<FloatTensor<B>>,
        plan: Plan,
    ) -> FloatTensor<B> {
        match plan.formed_forward {
            true => rows_by::<B>(x, self.weight()),
            false => {
                let lowered = lowered.unwrap_or_else(|| self.input.on_rows(x.clone()));
                let change = rows_by::<B>(lowered, self.core.clone());
                let y = rows_by::<B>(x, self.base.clone());
                self.output.lifted_rows_added(y, change)
            }
        }
    }

    /// `g Wᵀ`; `lowered`: the output gradient in coordinates, read only if the weight is not formed.
    fn backward(&self, g: FloatTensor<B>, lowered: FloatTensor<B>, plan: Plan) -> FloatTensor<B> {
        if plan.formed_backward {
            return rows_by::<B>(g, B::float_transpose(self.weight()));
        }
        let change = rows_by::<B>(lowered, B::float_transpose(self.core.clone()));
        let x = rows_by::<B>(g, B::float_transpose(self.base.clone()));
        self.input.lifted_rows_added(x, change)
    }

    /// The core gradient. `x`: the inputs, in coordinates if the plan is narrow; `lowered`: the output
    /// gradient in coordinates.
    fn core_gradient(
        &self,
        x: FloatTensor<B>,
        g: FloatTensor<B>,
        lowered: FloatTensor<B>,
        plan: Plan,
    ) -> FloatTensor<B> {
        let gradient = |g| in_type::<B>(B::product(B::float_transpose(x), g), self.core.dtype());
        let core = match plan.narrow {
            true => gradient(lowered),
            false => self.output.on_rows(self.input.on_columns(gradient(g))),
        };
        let core = self.output.without_protected(core);
        let transposed = self.input.without_protected(B::float_transpose(core));
        B::float_transpose(transposed)
    }
}

/// The basis of one side, with its reduction.
#[derive(Clone, Debug)]
struct Basis<B: Backend> {
    basis: FloatTensor<B>,
    reduction: Reduction,
}

impl<B: Chains> Basis<B> {
    fn pair(input: FloatTensor<B>, output: FloatTensor<B>, plan: Plan) -> (Self, Self) {
        let input = Self {
            basis: input,
            reduction: plan.input,
        };
        let output = Self {
            basis: output,
            reduction: plan.output,
        };
        (input, output)
    }

    fn transposed(&self) -> FloatTensor<B> {
        B::float_transpose(self.basis.clone())
    }

    /// `x N`: coordinates of the rows, if the basis spans the free directions.
    fn on_rows(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => rows_by::<B>(rows, self.basis.clone()),
            Reduction::None | Reduction::WithoutProtected => rows,
        }
    }

    /// `Nᵀ x`.
    fn on_columns(&self, columns: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => B::product(self.transposed(), columns),
            Reduction::None | Reduction::WithoutProtected => columns,
        }
    }

    /// `x + c Nᵀ`: rows from their coordinates, added to others.
    fn lifted_rows_added(&self, others: FloatTensor<B>, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => {
                let basis = in_type::<B>(self.transposed(), rows.dtype());
                B::product_added(others, rows, basis)
            }
            Reduction::None | Reduction::WithoutProtected => B::float_add(others, rows),
        }
    }

    /// `N c`.
    fn lifted_columns(&self, columns: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => B::product(self.basis.clone(), columns),
            Reduction::None | Reduction::WithoutProtected => columns,
        }
    }

    /// Removes the protected part of the rows, if the basis spans the protected directions.
    fn without_protected(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::WithoutProtected => {
                let part = B::product(rows.clone(), self.basis.clone());
                B::float_sub(rows, B::product(part, self.transposed()))
            }
            Reduction::None | Reduction::ToFree => rows,
        }
    }
}

/// The inputs as they are saved for the backward pass.
#[derive(Clone, Debug)]
enum Kept<B: Backend> {
    Whole(NodeId),
    Coordinates(FloatTensor<B>),
}

#[derive(Debug)]
struct CoreLinear;

impl<B: Chains> Backward<B, 2> for CoreLinear {
    /// The saved inputs, their type, the parts of the weight, and the plan.
    type State = (Kept<B>, DType, Parts<B>, Plan);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, nodes: &mut Checkpointer) {
        let (kept, of, parts, plan) = ops.state;
        let x = match kept {
            Kept::Coordinates(lowered) => lowered,
            Kept::Whole(x) => {
                let x = plan.rows::<B>(nodes.retrieve_node_output(x));
                match plan.narrow {
                    true => parts.input.on_rows(x),
                    false => x,
                }
            }
        };
        let [input_node, core_node] = ops.parents;
        let g = grads.consume::<B>(&ops.node);
        let shape = g.shape();
        let g = as_rows::<B>(g);
        let lowered = match plan.narrow {
            true => parts.output.on_rows(g.clone()),
            false => g.clone(),
        };
        if let Some(node) = core_node {
            let core = parts.core_gradient(x, g.clone(), lowered.clone(), plan);
            grads.register::<B>(node.id, core);
        }
        if let Some(node) = input_node {
            let x = parts.backward(g, lowered, plan);
            grads.register::<B>(node.id, unflattened::<B>(in_type::<B>(x, of), shape));
        }
    }
}
