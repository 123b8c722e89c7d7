//! A module without the free part of its weights.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;

use crate::Osft;
use crate::precision::widened;

impl Osft {
    /// The module with the free part of every target dropped: what is left of a weight is what the
    /// split protects.
    ///
    /// How much worse the module is for it says how much the free directions carry: the smallest
    /// singular directions are not inert in every network.
    pub fn truncate<M: Module>(&self, module: M) -> M {
        let layers = self.layers.iter().map(|layer| {
            let constraint = &layer.constraint;
            let start = widened(layer.start.clone());
            let free = constraint.lift(constraint.lower(start.clone()));
            (layer.id, start - free)
        });
        module.map(&mut Replace {
            weights: layers.collect(),
        })
    }
}

struct Replace {
    weights: HashMap<ParamId, Tensor<2>>,
}

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.weights.remove(&param.id) {
            Some(weight) => param.map(|old| {
                let data = weight.into_data();
                Tensor::<2>::from_data(data, &old.device()).reshape(old.shape())
            }),
            None => param,
        }
    }
}
