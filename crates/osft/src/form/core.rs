//! The `core` and `weight` forms of the constraint: the change of a weight, held and trained in
//! coordinates of the free directions.

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, Param, ParamId, Reparameterization, Reparameterizer};
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::precision::widened;
use crate::{Constraint, Decay, LayerSplit};

/// The change `N_P C N_Qᵀ` of a weight, attached to the parameter that keeps the weight `W₀` of the
/// split.
///
/// The parameter's effective value is `W₀ + N_P C N_Qᵀ`. It is formed where it is needed and not kept:
/// the change never leaves the free space whatever an optimizer does to `C`, rounding does not add up
/// over the steps, and what trains (with its gradient and its moments) has the shape of the core. In the
/// `weight` form `C` is the dense change, without the paper's block.
///
/// Its gradient arrives inside the constraint: what is protected on a side without a free basis is
/// removed from `C` on the way to the weight, hence from the gradient on the way back.
#[derive(Module, Debug)]
pub struct FreeCore {
    core: Param<Tensor<2>>,
    #[module(skip)]
    constraint: Arc<Constraint>,
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
}

impl Reparameterization for FreeCore {
    const NAME: &'static str = "osft";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let core = self.core.val();
        let constraint = self.constraint.beside(&core);
        // Changes nothing in the core, but what is differentiated here must not point out of it.
        let core = match core.is_autodiff() {
            true => constraint.constrain(core),
            false => core,
        };
        let shape = base.shape();
        let change = constraint.lift(core).reshape(shape);
        widened(base) + change
    }
}

/// Attaches a core to every target that has one and freezes the weight it belongs to.
///
/// Got from [`Osft::core_form`](crate::Osft::core_form), used by Burn's
/// `Module::apply_reparameterization`; the module's own code does not change.
#[derive(Clone, Debug)]
pub struct CoreForm {
    layers: HashMap<ParamId, Attached>,
}

#[derive(Clone, Debug)]
struct Attached {
    core: ParamId,
    constraint: Arc<Constraint>,
    start: Tensor<2>,
}

impl CoreForm {
    pub(crate) fn new<'a>(layers: impl Iterator<Item = &'a LayerSplit>) -> Self {
        let layers = layers.filter_map(|layer| {
            let attached = Attached {
                core: layer.core?,
                constraint: layer.constraint.clone(),
                start: layer.start.clone(),
            };
            Some((layer.id, attached))
        });
        Self {
            layers: layers.collect(),
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
        let value = param.base();
        // The split's own tensor: one copy of the weight serves both.
        let base = crate::side::beside(start.to_device(&value.device()), &value);
        let zeros = Tensor::zeros(constraint.core_shape(base.dims()), &value.device());
        let base = base.reshape(value.shape());
        let base = Param::initialized(param.id, base).set_require_grad(false);
        let core = Param::initialized(core, zeros).set_require_grad(true);
        (base, Some(FreeCore { core, constraint }))
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
            Decay::Weight => Some(layer.constraint.lower(widened(layer.start.clone()))),
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
        let origin = origin.map(|o| o.to_device(&tensor.device()).reshape(shape.clone()));
        let (core, state) = match origin {
            None => self.inner.step(lr, tensor, grad, state),
            Some(origin) => {
                let whole = tensor + origin.clone();
                let (whole, state) = self.inner.step(lr, whole, grad, state);
                (whole - origin, state)
            }
        };
        let core = self.constraint.constrain(as_matrix(core)).reshape(shape);
        (core, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device::<D>(state, device)
    }
}

/// Cores are rank-2 parameters, so this only tells the compiler what holds anyway.
fn as_matrix<const D: usize>(tensor: Tensor<D>) -> Tensor<2> {
    let dims = tensor.dims();
    let rows = dims.first().copied().unwrap_or(1);
    let columns = dims.iter().skip(1).product();
    tensor.reshape([rows, columns])
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
