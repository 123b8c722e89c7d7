//! The `factored` form: the free part of a weight held and trained as a product of factors.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId, Reparameterization, Reparameterizer};
use burn::optim::{LearningRate, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;

use crate::constraint::transposed;
use crate::decompose::{Vectors, decompose};
use crate::{Decay, LayerSplit, Side};

/// The free part `P_l diag(s_l) Q_lᵀ` of a weight, attached to the parameter that holds the rest.
#[derive(Module, Debug)]
pub struct FreeFactors {
    /// `P_l`, `[d_in, c]`.
    input: Param<Tensor<2>>,
    /// `s_l`, `[c]`.
    scale: Param<Tensor<1>>,
    /// `Q_lᵀ`, `[c, d_out]`.
    output: Param<Tensor<2>>,
}

impl FreeFactors {
    fn product(&self) -> Tensor<2> {
        let scaled = self.input.val() * self.scale.val().unsqueeze_dim::<2>(0);
        scaled.matmul(self.output.val())
    }
}

impl Reparameterization for FreeFactors {
    const NAME: &'static str = "osft";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let shape = base.shape();
        base + self.product().reshape(shape)
    }
}

/// Values and identities of a layer's factors at the split.
#[derive(Clone, Debug)]
pub(crate) struct Factors {
    pub ids: FactorIds,
    /// `[d_in, c]`
    pub input: Tensor<2>,
    /// `[c]`
    pub scale: Tensor<1>,
    /// `[c, d_out]`
    pub output: Tensor<2>,
}

/// Identities of a layer's factors, under which gradients and optimizer state are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FactorIds {
    pub input: ParamId,
    pub scale: ParamId,
    pub output: ParamId,
}

impl FactorIds {
    pub(crate) fn new() -> Self {
        Self {
            input: ParamId::new(),
            scale: ParamId::new(),
            output: ParamId::new(),
        }
    }
}

impl Factors {
    /// The singular value decomposition of `free`, the free part of a weight, up to the number of
    /// directions that it can have. `None` if it does not converge.
    ///
    /// The factors are free even where singular values are zero: vectors of those directions are
    /// taken from the free spaces, not from the whole.
    ///
    /// # Shapes
    /// - `input`: `[d_in, a]`, `output`: `[d_out, b]`, orthonormal bases of the free directions
    /// - `core`: `[a, b]`, the weight in them
    pub(crate) fn of_core(
        input: &Mat<f64>,
        output: &Mat<f64>,
        core: &Mat<f64>,
        device: &Device,
    ) -> Option<Self> {
        let parts = decompose(core, Vectors::Thin)?;
        let count = parts.values.len();
        let scale: Vec<f32> = parts.values.iter().map(|&s| s as f32).collect();
        Some(Self {
            ids: FactorIds::new(),
            input: to_tensor(&(input * &parts.input), device),
            scale: Tensor::from_data(TensorData::new(scale, [count]), device),
            output: to_tensor(&(output * &parts.output).transpose().to_owned(), device),
        })
    }

    pub(crate) fn product(&self) -> Tensor<2> {
        let scaled = self.input.clone() * self.scale.clone().unsqueeze_dim::<2>(0);
        scaled.matmul(self.output.clone())
    }

    /// Numbers that an optimizer holds.
    pub(crate) fn len(&self) -> usize {
        let [d_in, count] = self.input.dims();
        let [_, d_out] = self.output.dims();
        count * (d_in + 1 + d_out)
    }
}

fn to_tensor(matrix: &Mat<f64>, device: &Device) -> Tensor<2> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let values = (0..rows).flat_map(|i| (0..columns).map(move |j| matrix[(i, j)] as f32));
    Tensor::from_data(TensorData::new(values.collect(), [rows, columns]), device)
}

/// Attaches the free factors of a split to a module's targets and freezes what they leave.
///
/// Got from [`Osft::factored_form`](crate::Osft::factored_form), used by Burn's
/// `Module::apply_reparameterization`; the module's own code does not change.
#[derive(Clone, Debug)]
pub struct FactoredForm {
    layers: HashMap<ParamId, (Factors, Tensor<2>)>,
}

impl FactoredForm {
    pub(crate) fn new<'a>(layers: impl Iterator<Item = &'a LayerSplit>) -> Self {
        let layers = layers.filter_map(|layer| {
            let factors = layer.factors.clone()?;
            Some((layer.id, (factors, layer.start.clone())))
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
        let Some((factors, start)) = self.layers.remove(&param.id) else {
            return (param, None);
        };
        let value = param.base();
        let (shape, device) = (value.shape(), value.device());
        // Through the host: data made on the parameter's own device carries its autodiff context.
        let leaf = |data: TensorData| Tensor::from_data(data, &device);
        let rest = (start - factors.product()).into_data();
        let base = Tensor::<2>::from_data(rest, &device).reshape(shape);
        let base = Param::initialized(param.id, base.detach()).set_require_grad(false);
        let attached = FreeFactors {
            input: trainable(factors.ids.input, leaf(factors.input.into_data())),
            scale: trainable(
                factors.ids.scale,
                Tensor::from_data(factors.scale.into_data(), &device),
            ),
            output: trainable(factors.ids.output, leaf(factors.output.into_data())),
        };
        (base, Some(attached))
    }
}

fn trainable<const D: usize>(id: ParamId, value: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(id, value).set_require_grad(true)
}

/// Which axis of a factor its directions run along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Columns of `P_l`.
    Rows,
    /// Rows of `Q_lᵀ`.
    Columns,
}

/// An optimizer of one factor: its gradient is projected off the protected directions, and the
/// factor itself too after the step where that is asked for.
#[derive(Clone)]
pub(crate) struct FactorOptimizer<O> {
    pub inner: O,
    /// Absent for the scale, which has no direction.
    pub side: Option<(Side, Axis)>,
    pub reproject: bool,
    /// The factor at the split, where decay pulls towards it.
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
            .map(|data| Tensor::<D>::from_data(data.clone(), &tensor.device()));
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
