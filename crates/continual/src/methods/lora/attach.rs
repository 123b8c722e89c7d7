//! Attaches adapters with given values to a module.

use std::collections::HashMap;

use burn::module::{LoraAdapter, Param, ParamId, Reparameterizer};
use burn::tensor::{Tensor, TensorData};

use super::Adapter;

/// Attaches adapters with given values. The weight already includes their change, so it is
/// subtracted.
pub(super) struct Attach {
    pub(super) adapters: HashMap<ParamId, Adapter>,
    pub(super) scale: f64,
}

impl Reparameterizer for Attach {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let Some(adapter) = self.adapters.remove(&param.id) else {
            return (param, None);
        };
        let value = param.base();
        let (device, dtype) = (value.device(), value.dtype());
        let options = || (&device, dtype);
        let factor = |id: ParamId, data: TensorData| {
            let value = Tensor::<2>::from_data(data, options());
            Param::initialized(id, value).set_require_grad(true)
        };
        let [a, b] = adapter.ids;
        let attached = LoraAdapter {
            a: factor(a, adapter.a),
            b: factor(b, adapter.b),
            scale: self.scale,
        };
        let merged = value.clone().inner();
        let included_change = attached.delta().inner().reshape(merged.shape());
        let base = Tensor::<D>::from_data((merged - included_change).into_data(), options());
        // `map` keeps the transformations that the parameter applies when it is saved and loaded.
        let base = param.map(|_| base).set_require_grad(false);
        (base, Some(attached))
    }
}
