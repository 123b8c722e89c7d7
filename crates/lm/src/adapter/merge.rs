//! Putting an adapter into the weights that it changes.

use std::collections::HashMap;

use burn::module::{LoraAdapter, Module, Param, Reparameterizer};
use burn::tensor::{Tensor, TensorData};

use super::{Adapter, AdapterLayer};

impl Adapter {
    /// The module with `scale · A B` added to the weight of every layer.
    pub fn merged<M: Module>(&self, module: M) -> M {
        let layers = self.layers.iter();
        let attach = Attach(layers.map(|layer| (layer.path.as_str(), layer)).collect());
        module.apply_reparameterization(attach).materialize()
    }
}

struct Attach<'a>(HashMap<&'a str, &'a AdapterLayer>);

impl Reparameterizer for Attach<'_> {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let Some(layer) = self.0.remove(path) else {
            return (param, None);
        };
        let value = param.base();
        let (device, dtype) = (value.device(), value.dtype());
        let factor = |data: &TensorData| {
            Param::from_tensor(Tensor::<2>::from_data(data.clone(), (&device, dtype)))
        };
        let attached = LoraAdapter {
            a: factor(&layer.a),
            b: factor(&layer.b),
            scale: layer.scale,
        };
        (param, Some(attached))
    }
}
