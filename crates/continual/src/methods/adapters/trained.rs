//! What trains in a module.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

/// The trained matrices of a module, by identity.
pub(super) struct TrainedMatrices(HashMap<ParamId, Tensor<2>>);

impl TrainedMatrices {
    pub(super) fn of<M: Module>(model: &M) -> Self {
        let mut trained = Self(HashMap::new());
        model.visit(&mut trained);
        trained
    }

    /// A matrix, with its place in the graph.
    pub(super) fn get(&self, id: ParamId) -> Option<&Tensor<2>> {
        self.0.get(&id)
    }

    /// The values of a matrix, in f32.
    pub(super) fn values(&self, id: ParamId) -> Option<TensorData> {
        let matrix = self.0.get(&id)?.clone();
        Some(matrix.inner().into_data().convert::<f32>())
    }
}

impl ModuleVisitor for TrainedMatrices {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 2 && param.is_require_grad() {
            let value = param.val();
            let dims = value.dims();
            self.0.insert(param.id, value.reshape([dims[0], dims[1]]));
        }
    }
}
