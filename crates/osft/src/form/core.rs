//! The `core` and `weight` forms of the constraint: an optimizer around any Burn optimizer.

use std::sync::Arc;

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource, join_path};
use burn::tensor::{Device, Tensor, TensorData};

use crate::{Constraint, Decay, LayerSplit};

/// Runs an inner optimizer in the coordinates of one weight's change.
///
/// In the `core` form, with `N_P` and `N_Q` the free directions on the two sides, a step is
/// `c ← inner(c, N_Pᵀ G N_Q)`, `W ← W₀ + N_P c N_Qᵀ`, with `c = 0` and `W = W₀` at the split. The
/// change never leaves the free space, whatever the inner optimizer does to its gradient, and the
/// inner state (moments) has the shape of the core. In the `weight` form `c` is the dense change,
/// and the paper's block is removed from the gradient before the step and from `c` after it.
///
/// Decoupled weight decay acts on `c`, hence decays the change since the split rather than old
/// knowledge; with [`Decay::Weight`] the coordinates start at those of `W₀` instead of zero, and
/// what is free decays.
///
/// `W` is rebuilt from `W₀` rather than incremented: the rounding of an increment is not in the
/// free space, and it adds up (after 200 small steps to a leak of 1e-5, against 1e-7 this way).
/// The copy of `W₀` is shared with the split, which measures changes against it.
///
/// A weight that protects nothing is handed to the inner optimizer as it is: plain fine-tuning,
/// bit for bit. [`Osft::optimizer`](crate::Osft::optimizer) builds one of these per target.
#[derive(Clone)]
pub struct CoreOptimizer<O> {
    inner: O,
    constraint: Arc<Constraint>,
    /// The weight at the split.
    start: Tensor<2>,
    decay: Decay,
}

impl<O: Optimizer> CoreOptimizer<O> {
    /// An optimizer for the weight that a split was made from.
    pub fn new(inner: O, layer: &LayerSplit, decay: Decay) -> Self {
        Self {
            inner,
            constraint: layer.constraint.clone(),
            start: layer.start.clone(),
            decay,
        }
    }

    /// Coordinates at the split, in the inner optimizer's eyes.
    fn origin(&self, start: &Tensor<2>) -> Tensor<2> {
        match self.decay {
            Decay::Change => {
                let shape = self.constraint.core_shape(start.dims());
                Tensor::zeros(shape, &start.device())
            }
            Decay::Weight => self.constraint.lower(start.clone()),
        }
    }
}

/// State of a [`CoreOptimizer`].
#[derive(Clone)]
pub struct CoreState<S> {
    /// The coordinates reached so far; absent for a weight that protects nothing. Shape:
    /// [`Constraint::core_shape`].
    core: Option<Tensor<2>>,
    inner: Option<S>,
}

impl<O: Optimizer> Optimizer for CoreOptimizer<O> {
    type State<const D: usize> = CoreState<O::State<2>>;

    /// # Shapes
    /// - `tensor`: `[d_in, d_out]`
    /// - `grad`: `[d_in, d_out]`, or already in core coordinates (see
    ///   [`Osft::project`](crate::Osft::project) and [`Osft::linear`](crate::Osft::linear))
    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        if self.constraint.is_closed() {
            return (tensor, state);
        }
        let shape: [usize; D] = tensor.dims();
        let weight: Tensor<2> = as_matrix(tensor);
        let grad: Tensor<2> = as_matrix(grad);
        let (core, inner_state) = match state {
            Some(state) => (state.core, state.inner),
            None => (None, None),
        };
        if self.constraint.is_open() {
            let (weight, inner) = self.inner.step(lr, weight, grad, inner_state);
            return (weight.reshape(shape), Some(CoreState { core: None, inner }));
        }

        let grad = match self.constraint.has_core_shape(&grad, weight.dims()) {
            true => grad,
            false => self.constraint.lower(grad),
        };
        let start = self.start.clone().to_device(&weight.device());
        let core = core.unwrap_or_else(|| self.origin(&start));
        let (stepped, inner) = self.inner.step(lr, core, grad, inner_state);
        let core = self.constraint.constrain(stepped);
        let change = match self.decay {
            Decay::Change => core.clone(),
            Decay::Weight => core.clone() - self.origin(&start),
        };
        let weight = start + self.constraint.lift(change);
        let state = CoreState {
            core: Some(core),
            inner,
        };
        (weight.reshape(shape), Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        CoreState {
            core: state.core.map(|core| core.to_device(device)),
            inner: state.inner.map(|inner| O::to_device::<2>(inner, device)),
        }
    }
}

/// Targets are rank-2 parameters, so this only tells the compiler what holds anyway.
fn as_matrix<const D: usize>(tensor: Tensor<D>) -> Tensor<2> {
    let dims = tensor.dims();
    let rows = dims.first().copied().unwrap_or(1);
    let columns = dims.iter().skip(1).product();
    tensor.reshape([rows, columns])
}

const CORE: &str = "core";
const INNER: &str = "inner";

impl<S: RecordState> RecordState for CoreState<S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        if let Some(core) = &self.core {
            out.push_tensor(prefix, CORE, core.clone().into_data());
        }
        if let Some(inner) = &self.inner {
            inner.state_flatten(&join_path(prefix, INNER), out);
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let inner_prefix = join_path(prefix, INNER);
        let core = src
            .take_tensor(prefix, CORE)
            .map(|data: TensorData| Tensor::from_data(data, device));
        let inner = match src.has_under(&inner_prefix) {
            true => Some(S::state_unflatten(&inner_prefix, src, device)?),
            false => None,
        };
        Some(Self { core, inner })
    }
}
