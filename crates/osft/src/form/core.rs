//! The `core` and `weight` forms of the constraint: the change of a weight, held and trained in
//! coordinates of the free directions.

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, Param, ParamId, Reparameterization, Reparameterizer};
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor};

use crate::config::{BasePrecision, Decay};
use crate::form::trainable;
use crate::module::{as_matrix, beside, changed, computed, is_half};
use crate::split::{Constraint, LayerSplit};

/// The change `N_P C N_Qᵀ` of a weight, attached to the parameter that keeps the weight `W₀` of the
/// split.
///
/// The parameter's effective value is `W₀ + N_P C N_Qᵀ`. It is formed where it is needed and not kept:
/// the change never leaves the free space whatever an optimizer does to `C`, rounding does not add up
/// over the steps, and what trains (with its gradient and its moments) has the shape of the core. In the
/// `weight` form `C` is the dense change, without the paper's block.
///
/// What is protected on a side without a free basis is removed from `C` whenever the weight is formed,
/// whoever moved `C` there. So a gradient arrives inside the constraint, and a module computes the same
/// while it trains, in validation and after it was merged.
#[derive(Module, Debug)]
pub struct FreeCore {
    core: Param<Tensor<2>>,
    #[module(skip)]
    constraint: Arc<Constraint>,
    /// Type of the weight where it is not that of what is stored.
    #[module(skip)]
    dtype: Option<DType>,
}

impl FreeCore {
    /// The coordinates of the change since the split. Shape: [`Constraint::core_shape`].
    pub fn core(&self) -> &Param<Tensor<2>> {
        &self.core
    }

    /// The directions that the coordinates are of.
    pub fn constraint(&self) -> &Constraint {
        &self.constraint
    }

    /// Whether a weight that is stored as `base` is rounded to two bytes where it is used.
    pub(crate) fn rounds(&self, base: DType) -> bool {
        is_half(self.dtype.unwrap_or(base))
    }
}

/// `W₀ + N_P C N_Qᵀ` in the precision that is computed in.
///
/// # Shapes
/// - `base` and output: `[d_in, d_out]`
/// - `core`: [`Constraint::core_shape`]
pub(crate) fn composed(constraint: &Constraint, base: Tensor<2>, core: Tensor<2>) -> Tensor<2> {
    let constraint = constraint.beside(&core);
    changed(base, constraint.lift(constraint.constrain(core)))
}

impl Reparameterization for FreeCore {
    const NAME: &'static str = "osft";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let shape = base.shape();
        let dtype = self.dtype.unwrap_or(base.dtype());
        let weight = composed(&self.constraint, as_matrix(base), self.core.val());
        weight.reshape(shape).cast(dtype)
    }
}

/// Attaches a core to every target that has one and freezes the weight it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct CoreForm {
    layers: HashMap<ParamId, Attached>,
    precision: BasePrecision,
}

#[derive(Clone, Debug)]
struct Attached {
    core: ParamId,
    constraint: Arc<Constraint>,
    start: Tensor<2>,
}

impl CoreForm {
    /// For layers by the identity of their parameter in the module that is prepared.
    pub(crate) fn new<'a>(
        layers: impl Iterator<Item = (ParamId, &'a LayerSplit)>,
        precision: BasePrecision,
    ) -> Self {
        let layers = layers.filter_map(|(id, layer)| {
            let attached = Attached {
                core: layer.core?,
                constraint: layer.constraint.clone(),
                start: layer.start.clone(),
            };
            Some((id, attached))
        });
        Self {
            layers: layers.collect(),
            precision,
        }
    }
}

impl Reparameterizer for CoreForm {
    type Reparam = FreeCore;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<FreeCore>) {
        let Some(Attached {
            core,
            constraint,
            start,
        }) = self.layers.remove(&param.id)
        else {
            return (param, None);
        };
        let like = like(&param);
        let dtype = constraint.dtype().unwrap_or(computed(like.dtype()));
        let zeros = Tensor::zeros(
            constraint.core_shape(start.dims()),
            (&like.device().inner(), dtype),
        );
        let attached = FreeCore {
            core: trainable(core, beside(zeros, &like)),
            constraint,
            dtype: match self.precision {
                BasePrecision::Full => None,
                BasePrecision::Bf16 => Some(like.dtype()),
            },
        };
        let precision = self.precision;
        let base = match (param.is_initialized(), precision) {
            // A parameter that is not filled yet stays so: weights may be loaded into it. Its clones are
            // not frozen with it.
            (false, BasePrecision::Full) => param.init_mapper(|value| value),
            (false, BasePrecision::Bf16) => param.init_mapper(move |value| {
                let shape = value.shape();
                precision.held(as_matrix(value)).reshape(shape)
            }),
            // `map` keeps what transforms the parameter when it is saved and loaded. The split's own
            // tensor where it holds the same: one copy of the weight serves both.
            (true, _) => param.map(|value| {
                let shape = value.shape();
                let own = precision.held(as_matrix(value.inner()));
                beside(shared(start, own), &like).reshape(shape)
            }),
        };
        (base.set_require_grad(false), Some(attached))
    }
}

/// A tensor of a parameter's kind: on its device, differentiated as it is, in its type. A parameter that is
/// not filled stays so.
pub(super) fn like<const D: usize>(param: &Param<Tensor<D>>) -> Tensor<1> {
    let device = param.lazy_device();
    match param.is_initialized() {
        true => Tensor::zeros([1], (&device, param.dtype())),
        false => Tensor::zeros([1], &device),
    }
}

/// `start` if its values are those of `own`, on the device of that; else `own`.
fn shared(start: Tensor<2>, own: Tensor<2>) -> Tensor<2> {
    if start.dtype() != own.dtype() {
        return own;
    }
    let start = start.to_device(&own.device());
    let same = start.clone().equal(own.clone()).all();
    match same.into_scalar::<bool>() {
        true => start,
        false => own,
    }
}

/// Runs an inner optimizer on the core of one weight, and removes from it what is not free.
///
/// Elementwise optimizers such as AdamW move coordinates into what is protected wherever a side keeps no
/// free basis, whatever the gradient; there the core is projected after every step.
///
/// Decoupled weight decay acts on the coordinates, hence decays the change since the split rather than
/// old knowledge; with [`Decay::Weight`] they are those of the whole weight in the inner optimizer's
/// eyes, and what is free decays. [`Osft::optimizer`](crate::Osft::optimizer) builds one of these per
/// target.
#[derive(Clone)]
pub struct CoreOptimizer<O> {
    inner: O,
    constraint: Arc<Constraint>,
    /// Coordinates of the weight at the split, where the whole weight decays.
    origin: Option<Tensor<2>>,
}

impl<O: Optimizer> CoreOptimizer<O> {
    /// An optimizer for the core of the weight that a split was made from.
    pub fn new(inner: O, layer: &LayerSplit, decay: Decay) -> Self {
        let origin = match decay {
            Decay::Change => None,
            Decay::Weight => {
                let start = layer.start.clone();
                let dtype = layer.constraint.dtype().unwrap_or(computed(start.dtype()));
                Some(layer.constraint.lower(start.cast(dtype)))
            }
        };
        Self {
            inner,
            constraint: layer.constraint.clone(),
            origin,
        }
    }
}

impl<O: Optimizer> Optimizer for CoreOptimizer<O> {
    type State<const D: usize> = O::State<D>;

    /// # Shapes
    /// - `tensor`, `grad`: [`Constraint::core_shape`]
    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let shape = tensor.shape();
        let origin = self.origin.clone();
        let origin = origin.map(|origin| {
            let origin = origin.to_device(&tensor.device()).cast(tensor.dtype());
            origin.reshape(shape.clone())
        });
        let (core, state) = match origin {
            None => self.inner.step(lr, tensor, grad, state),
            Some(origin) => {
                let whole = tensor + origin.clone();
                let (whole, state) = self.inner.step(lr, whole, grad, state);
                (whole - origin, state)
            }
        };
        let core = as_matrix(core);
        let core = self.constraint.beside(&core).constrain(core);
        (core.reshape(shape), state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device::<D>(state, device)
    }
}

/// Leaves a parameter as it is.
///
/// For a target whose directions are all protected, and for one that is trained through its core: without
/// [`Osft::prepare`](crate::Osft::prepare) nothing of it may move.
#[derive(Clone)]
pub(crate) struct Unmoved<O>(pub O);

impl<O: Optimizer> Optimizer for Unmoved<O> {
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        _lr: LearningRate,
        tensor: Tensor<D>,
        _grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        (tensor, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device::<D>(state, device)
    }
}
