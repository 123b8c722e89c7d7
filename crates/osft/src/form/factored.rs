//! The factored forms: the free part of a weight, trained as a product of factors.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId, Reparameterization, Reparameterizer};
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::config::Decay;
use crate::form::like;
use crate::module::{beside, changed, is_half};
use crate::split::{Factors, LayerSplit, Side, product, transposed};

/// The free part `P_l diag(s_l) Q_lᵀ` of a weight, attached to the parameter that stores the rest.
#[derive(Module, Debug)]
pub struct FreeFactors {
    /// `P_l`, `[d_in, c]`.
    input: Param<Tensor<2>>,
    /// `s_l`, `[c]`.
    scale: Param<Tensor<1>>,
    /// `Q_lᵀ`, `[c, d_out]`.
    output: Param<Tensor<2>>,
    /// Type of the effective weight, if it differs from the type of the stored rest.
    #[module(skip)]
    dtype: Option<DType>,
}

impl FreeFactors {
    /// The factor `P_l`.
    ///
    /// # Shapes
    /// - output: `[d_in, c]`
    pub fn input(&self) -> &Param<Tensor<2>> {
        &self.input
    }

    /// The factor `s_l`.
    ///
    /// # Shapes
    /// - output: `[c]`
    pub fn scale(&self) -> &Param<Tensor<1>> {
        &self.scale
    }

    /// The factor `Q_lᵀ`.
    ///
    /// # Shapes
    /// - output: `[c, d_out]`
    pub fn output(&self) -> &Param<Tensor<2>> {
        &self.output
    }
}

impl Reparameterization for FreeFactors {
    const NAME: &'static str = "osft";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let shape = base.shape();
        let free = product(self.input.val(), self.scale.val(), self.output.val());
        let dtype = self.dtype.unwrap_or(base.dtype());
        changed(base, free.reshape(shape)).cast(dtype)
    }
}

/// Attaches the factors of a split to a module's targets and freezes the rest of each weight.
#[derive(Clone, Debug)]
pub(crate) struct FactoredForm {
    /// The factors of each layer, with the type of the weight at the split.
    layers: HashMap<ParamId, (Factors, DType)>,
}

impl FactoredForm {
    /// `layers`: splits of layers, each with the identity of its parameter in the module that is prepared.
    pub(crate) fn new<'a>(layers: impl Iterator<Item = (ParamId, &'a LayerSplit)>) -> Self {
        let layers = layers.filter_map(|(id, layer)| {
            let factors = layer.factors.clone()?;
            Some((id, (factors, layer.start.dtype())))
        });
        Self {
            layers: layers.collect(),
        }
    }
}

impl Reparameterizer for FactoredForm {
    type Reparam = FreeFactors;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<FreeFactors>) {
        let Some((factors, type_at_split)) = self.layers.remove(&param.id) else {
            return (param, None);
        };
        let like = like(&param);
        // The rest is stored in the type of the factors, which may be wider than the type of the weight.
        let dtype = match param.is_initialized() {
            true => Some(like.dtype()),
            false => Some(type_at_split).filter(|dtype| is_half(*dtype)),
        };
        let free = factors.product();
        let attached = FreeFactors {
            input: trainable(factors.ids.input, beside(factors.input, &like)),
            scale: trainable(factors.ids.scale, beside(factors.scale, &like)),
            output: trainable(factors.ids.output, beside(factors.output, &like)),
            dtype,
        };
        // Computed from the module's current value, which may differ from the value at the split.
        let rest = move |value: Tensor<D>| {
            let free = beside(free.clone(), &value).reshape(value.shape());
            changed(value, -free)
        };
        // `map` keeps the parameter's save and load mappers. An uninitialized parameter stays uninitialized,
        // so that a record of a prepared module can be loaded into it.
        let base = match param.is_initialized() {
            true => param.map(|value| beside(rest(value.inner()), &like)),
            false => param.init_mapper(rest),
        };
        (base.set_require_grad(false), Some(attached))
    }
}

pub(super) fn trainable<const D: usize>(id: ParamId, value: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(id, value).set_require_grad(true)
}

/// How the directions of a factor are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Every column is a direction, as in `P_l`.
    Rows,
    /// Every row is a direction, as in `Q_lᵀ`.
    Columns,
}

/// The optimizer of one factor. It removes the protected part from the gradient and, if `reproject` is set,
/// from the factor after the step.
#[derive(Clone)]
pub(crate) struct FactorOptimizer<O> {
    pub inner: O,
    /// `None` for the scale, which has no directions.
    pub side: Option<(Side, Axis)>,
    pub reproject: bool,
    /// The factor at the split, if weight decay pulls towards it.
    pub origin: Option<TensorData>,
}

impl<O: Optimizer> FactorOptimizer<O> {
    /// The optimizers of a layer's three factors.
    pub(crate) fn of_layer(
        inner: &O,
        layer: &LayerSplit,
        factors: &Factors,
        reproject: bool,
        decay: Decay,
    ) -> [(ParamId, Self); 3] {
        let make = |id, side, data: TensorData| {
            let optimizer = Self {
                inner: inner.clone(),
                side,
                reproject,
                origin: (decay == Decay::Change).then_some(data),
            };
            (id, optimizer)
        };
        let constraint = &layer.constraint;
        let input = Some((constraint.input.clone(), Axis::Rows));
        let output = Some((constraint.output.clone(), Axis::Columns));
        let ids = factors.ids;
        [
            make(ids.input, input, factors.input.clone().into_data()),
            make(ids.scale, None, factors.scale.clone().into_data()),
            make(ids.output, output, factors.output.clone().into_data()),
        ]
    }
}

/// The part of a factor, or of its gradient, that lies in the free directions.
pub(crate) fn free_part(side: &Side, axis: Axis, x: Tensor<2>) -> Tensor<2> {
    let side = side.beside(&x);
    let remove = |x: Tensor<2>| match side.protected_part(x.clone()) {
        Some(part) => x - part,
        None => x,
    };
    match axis {
        Axis::Rows => remove(x),
        Axis::Columns => transposed(x, remove),
    }
}

impl<O: Optimizer> Optimizer for FactorOptimizer<O> {
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let shape = tensor.shape();
        let project = |x: Tensor<D>| match &self.side {
            Some((side, axis)) => {
                let [rows, columns] = [shape[0], shape[1]];
                free_part(side, *axis, x.reshape([rows, columns])).reshape(shape.clone())
            }
            None => x,
        };
        let grad = project(grad);
        let origin = self
            .origin
            .as_ref()
            .map(|data| Tensor::<D>::from_data(data.clone(), (&tensor.device(), tensor.dtype())));
        let (stepped, state) = match origin {
            Some(origin) => {
                let change = tensor - origin.clone();
                let (change, state) = self.inner.step(lr, change, grad, state);
                (origin + change, state)
            }
            None => self.inner.step(lr, tensor, grad, state),
        };
        let stepped = match self.reproject {
            true => project(stepped),
            false => stepped,
        };
        (stepped, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device::<D>(state, device)
    }
}
