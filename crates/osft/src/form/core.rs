//! The `core` and `weight` forms: the change of a weight, trained in coordinates of the free directions.

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, Param, ParamId, Reparameterization, Reparameterizer};
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor};

use crate::config::{BasePrecision, Decay, OsftConfig};
use crate::form::{OutputLimit, trainable};
use crate::module::{as_matrix, beside, changed, computed, is_half};
use crate::split::{Constraint, LayerSplit};

/// The change `N_P C N_Qᵀ` of a weight, attached to the parameter that stores the weight `W₀` of the split.
///
/// The effective value of the parameter is `W₀ + N_P C N_Qᵀ`. It is computed where it is needed and not
/// stored. So the change never leaves the free space, whatever an optimizer does to `C`; rounding errors do
/// not accumulate over steps; and everything trainable (with its gradient and its optimizer moments) has the
/// shape of the core. In the `weight` form `C` is the dense change without the paper's block.
///
/// On a side that stores no free basis, the protected part of `C` is removed whenever the weight is computed,
/// even if an optimizer moved `C` there. So gradients satisfy the constraint, and a module computes the same
/// in training, in validation and after merging.
#[derive(Module, Debug)]
pub struct FreeCore {
    core: Param<Tensor<2>>,
    #[module(skip)]
    constraint: Arc<Constraint>,
    /// Type of the effective weight, if it differs from the type of the stored base.
    #[module(skip)]
    dtype: Option<DType>,
}

impl FreeCore {
    /// The coordinates of the change since the split.
    ///
    /// # Shapes
    /// - output: [`Constraint::core_shape`]
    pub fn core(&self) -> &Param<Tensor<2>> {
        &self.core
    }

    /// The constraint that defines the directions of the coordinates.
    pub fn constraint(&self) -> &Constraint {
        &self.constraint
    }

    /// Whether the effective weight is rounded to two bytes, if its base is stored in this type.
    pub(crate) fn rounds(&self, base: DType) -> bool {
        is_half(self.dtype.unwrap_or(base))
    }
}

/// `W₀ + N_P C N_Qᵀ` in the computation type.
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

/// Attaches a core to every target that has one, and freezes the target's own weight.
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
    /// `layers`: splits of layers, each with the identity of its parameter in the module that is prepared.
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
            // An uninitialized parameter stays uninitialized: weights may be loaded into it. The mapper
            // separates it from its clones, which must not be frozen too.
            (false, BasePrecision::Full) => param.init_mapper(|value| value),
            (false, BasePrecision::Bf16) => param.init_mapper(move |value| {
                let shape = value.shape();
                precision.rounded(as_matrix(value)).reshape(shape)
            }),
            // `map` keeps the parameter's save and load mappers. If the split stores equal values, both share
            // one tensor.
            (true, _) => param.map(|value| {
                let shape = value.shape();
                let stored = precision.rounded(as_matrix(value.inner()));
                beside(shared(start, stored), &like).reshape(shape)
            }),
        };
        (base.set_require_grad(false), Some(attached))
    }
}

/// A placeholder with the device, the autodiff state and the type of a parameter. An uninitialized parameter
/// stays uninitialized.
pub(super) fn like<const D: usize>(param: &Param<Tensor<D>>) -> Tensor<1> {
    let device = param.lazy_device();
    match param.is_initialized() {
        true => Tensor::zeros([1], (&device, param.dtype())),
        false => Tensor::zeros([1], &device),
    }
}

/// `start`, moved to the device of `value`, if both have equal values and types; otherwise `value`.
fn shared(start: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
    if start.dtype() != value.dtype() {
        return value;
    }
    let start = start.to_device(&value.device());
    let same = start.clone().equal(value.clone()).all();
    match same.into_scalar::<bool>() {
        true => start,
        false => value,
    }
}

/// Applies an inner optimizer to the core of one weight and keeps the core inside its constraint.
///
/// On a side that stores no free basis, elementwise optimizers such as AdamW move the coordinates into
/// protected directions even if the gradient has no part there. So the core is projected after every step.
///
/// Decoupled weight decay acts on the coordinates, so the change since the split decays and not the weight
/// itself. With [`Decay::Weight`] the inner optimizer sees the coordinates of the whole weight, whose free
/// part then decays. [`Osft::optimizer`](crate::Osft::optimizer) builds one `CoreOptimizer` per target.
#[derive(Clone)]
pub(crate) struct CoreOptimizer<O> {
    inner: O,
    constraint: Arc<Constraint>,
    /// Coordinates of the weight at the split, with [`Decay::Weight`].
    origin: Option<Tensor<2>>,
    limit: Option<OutputLimit>,
}

impl<O: Optimizer> CoreOptimizer<O> {
    /// An optimizer for the core of one layer of a split.
    pub(crate) fn new(inner: O, layer: &LayerSplit, config: &OsftConfig) -> Self {
        let most = config.max_output_change;
        let origin = match config.decay {
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
            limit: most.and_then(|most| OutputLimit::of(layer, most)),
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
        let core = match &self.limit {
            Some(limit) => limit.hold(core),
            None => core,
        };
        (core.reshape(shape), state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device::<D>(state, device)
    }
}

/// An optimizer that does not move its parameter.
///
/// For targets without free directions, and for targets that train through a core: their own weight must not
/// move, even if the module was never [prepared](crate::Osft::prepare).
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
