//! Attaches adapters with given values to a module.

use std::collections::HashMap;
use std::marker::PhantomData;

use burn::module::{Param, ParamId, Reparameterizer};
use burn::tensor::Tensor;

use super::form::Form;
use super::layers::Adapter;

/// Attaches adapters with given values. The weight already includes their change, so it is
/// subtracted.
pub(super) struct Attach<F, const N: usize> {
    adapters: HashMap<ParamId, Adapter<N>>,
    scale: f64,
    form: PhantomData<F>,
}

impl<F, const N: usize> Attach<F, N> {
    /// `adapters`: by the identity of the weight that each belongs to.
    pub(super) fn new(adapters: HashMap<ParamId, Adapter<N>>, scale: f64) -> Self {
        Self {
            adapters,
            scale,
            form: PhantomData,
        }
    }
}

impl<F: Form<N>, const N: usize> Reparameterizer for Attach<F, N> {
    type Reparam = F;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<F>) {
        let Some(adapter) = self.adapters.remove(&param.id) else {
            return (param, None);
        };
        let value = param.base();
        let (device, dtype) = (value.device(), value.dtype());
        let options = || (&device, dtype);
        let factors = adapter.map(|factor| {
            let value = Tensor::<2>::from_data(factor.values, options());
            Param::initialized(factor.id, value).set_require_grad(true)
        });
        let attached = F::new(factors, self.scale);
        let merged = value.clone().inner();
        let included_change = attached.change().inner().reshape(merged.shape());
        let base = Tensor::<D>::from_data((merged - included_change).into_data(), options());
        // `map` keeps the transformations that the parameter applies when it is saved and loaded.
        let base = param.map(|_| base).set_require_grad(false);
        (base, Some(attached))
    }
}
