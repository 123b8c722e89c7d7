//! The one place where hidden states are multiplied by weight matrices.
//!
//! Every linear layer of every model family goes through a [`LinearApplier`]. So there is a single place to
//! observe the inputs and outputs of layers, or to apply their weights in another way.

use burn::module::{Param, ParamId};
use burn::nn::Linear;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::padding::indices;
use crate::ops::{MixedPrecision, in_type, linear};

/// Observes the inputs and outputs of a model's linear layers.
pub trait Observer {
    /// Called before a pass with the number of tokens of every row: what is shown until the next call are the
    /// tokens of these rows, one row after the other.
    fn begins(&mut self, _lengths: &[usize]) {}

    /// Called once for all layers that take the same input, in the model's order.
    ///
    /// # Shapes
    /// - `input`: `[n, d_in]`, real tokens only
    /// - `outputs`: by the id of the layer's weight, `[n, d_out]`, without bias
    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]);
}

/// A product that a [`LinearMap`] is to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Whether anything else needs the input in the backward pass.
    pub needed: InputNeeded,
    /// The type of its factors and of its result; the input may be of a wider one.
    pub dtype: DType,
}

/// Applies weights in place of their layers, for example with another backward pass.
pub trait LinearMap {
    /// Computes `x W`; `None` leaves the product to the layer.
    ///
    /// # Shapes
    /// - `weight`: `[d_in, d_out]`
    /// - `x`: `[batch, tokens, d_in]`
    /// - output: `[batch, tokens, d_out]`
    fn apply(
        &self,
        weight: &Param<Tensor<2>>,
        x: &Tensor<3>,
        product: Product,
    ) -> Option<Tensor<3>>;
}

/// Whether anything besides a [`LinearMap`] needs the input of a layer in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputNeeded {
    /// Nothing else: a map that saves something smaller in its place saves memory.
    Here,
    /// Something else too, or the previous operation recomputes it: saving it takes no extra memory.
    Elsewhere,
}

/// A [`LinearMap`] that leaves all products to the layers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmapped;

impl LinearMap for Unmapped {
    fn apply(&self, _: &Param<Tensor<2>>, _: &Tensor<3>, _: Product) -> Option<Tensor<3>> {
        None
    }
}

/// Applies linear layers, through a map if there is one, and shows them to an observer if there is one.
#[derive(Default)]
pub(crate) struct LinearApplier<'a> {
    map: Option<&'a dyn LinearMap>,
    observed: Option<Observed<'a>>,
    precision: MixedPrecision,
}

struct Observed<'a> {
    observer: &'a mut dyn Observer,
    /// Indices of the tokens that are not padding, row after row.
    real: Tensor<1, Int>,
}

impl<'a> LinearApplier<'a> {
    /// An applier that uses a map.
    pub(crate) fn mapped(map: &'a dyn LinearMap) -> Self {
        Self {
            map: Some(map),
            ..Self::default()
        }
    }

    /// The applier with another precision of its products, whose type outputs have.
    pub(crate) fn with_precision(self, precision: MixedPrecision) -> Self {
        Self { precision, ..self }
    }

    /// An applier that shows the first `lengths[i]` of the `width` tokens of row `i` to an observer.
    pub(crate) fn observed(
        observer: &'a mut dyn Observer,
        lengths: &[usize],
        width: usize,
        device: &Device,
    ) -> Self {
        let real = indices(lengths, width);
        observer.begins(lengths);
        let count = real.len();
        let real = Tensor::from_data(TensorData::new(real, [count]), device);
        Self {
            observed: Some(Observed { observer, real }),
            ..Self::default()
        }
    }

    /// Applies a layer to an input that nothing else needs in the backward pass.
    ///
    /// # Shapes
    /// - `x`: `[batch, tokens, d_in]`
    /// - output: `[batch, tokens, d_out]`
    pub(crate) fn project_alone(&mut self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        let output = self.apply(layer, &x, InputNeeded::Here);
        self.show(&[layer], x, std::slice::from_ref(&output));
        output
    }

    /// Applies layers to their common input.
    ///
    /// # Shapes
    /// - `x`: `[batch, tokens, d_in]`
    /// - outputs: `[batch, tokens, d_out]`
    pub(crate) fn project<const N: usize>(
        &mut self,
        layers: [&Linear; N],
        x: Tensor<3>,
    ) -> [Tensor<3>; N] {
        let outputs = layers.map(|layer| self.apply(layer, &x, InputNeeded::Elsewhere));
        self.show(&layers, x, &outputs);
        outputs
    }

    /// As [`project`](Self::project), for a number of layers that the model's configuration decides.
    pub(crate) fn project_all(&mut self, layers: &[&Linear], x: Tensor<3>) -> Vec<Tensor<3>> {
        let outputs = layers.iter();
        let outputs = outputs.map(|layer| self.apply(layer, &x, InputNeeded::Elsewhere));
        let outputs: Vec<_> = outputs.collect();
        self.show(layers, x, &outputs);
        outputs
    }

    fn apply(&self, layer: &Linear, x: &Tensor<3>, needed: InputNeeded) -> Tensor<3> {
        let dtype = self.precision.of_products(x.dtype());
        let product = Product { needed, dtype };
        let map = self.map;
        let mapped = map.and_then(|map| map.apply(&layer.weight, x, product));
        let y = match mapped {
            Some(y) => in_type(y, dtype),
            None => linear(x.clone(), layer.weight.val(), dtype),
        };
        match &layer.bias {
            Some(bias) => {
                let bias = in_type(bias.val(), y.dtype());
                y + bias.unsqueeze()
            }
            None => y,
        }
    }

    fn show(&mut self, layers: &[&Linear], x: Tensor<3>, outputs: &[Tensor<3>]) {
        let Some(Observed { observer, real }) = &mut self.observed else {
            return;
        };
        let real = |x: Tensor<3>| {
            let [batch, tokens, width] = x.dims();
            x.reshape([batch * tokens, width]).select(0, real.clone())
        };
        let shown: Vec<(ParamId, Tensor<2>)> = layers
            .iter()
            .zip(outputs)
            .map(|(layer, output)| {
                let output = real(output.clone());
                let output = match &layer.bias {
                    Some(bias) => output - bias.val().unsqueeze_dim(0),
                    None => output,
                };
                (layer.weight.id, output)
            })
            .collect();
        observer.projected(&real(x), &shown);
    }
}
