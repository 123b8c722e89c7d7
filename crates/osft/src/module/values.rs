//! Values of parameters: checked to be finite, and replaced.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::error::OsftError;
use crate::module::{Paths, beside, is_trained, non_finite, with_gradients};

/// # Errors
///
/// [`OsftError::NonFinite`] for the first parameter, among those that are `wanted`, that holds a value
/// which is no number.
pub(crate) fn check_finite<M: Module>(
    module: &M,
    wanted: impl Fn(ParamId, &str) -> bool,
) -> Result<(), OsftError> {
    let mut check = Check {
        paths: Paths::default(),
        wanted,
        found: None,
    };
    module.visit(&mut check);
    check.found.map_or(Ok(()), Err)
}

struct Check<F> {
    paths: Paths,
    wanted: F,
    found: Option<OsftError>,
}

impl<F: Fn(ParamId, &str) -> bool> ModuleVisitor for Check<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.paths.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.paths.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(path) = self.paths.own() else {
            return;
        };
        if self.found.is_some() || !(self.wanted)(param.id, &path) {
            return;
        }
        let value = param.base().inner();
        let columns = value.dims().last().copied().unwrap_or(1);
        // Asked where the values are; only broken ones are fetched.
        if !value.clone().is_finite().all().into_scalar::<bool>() {
            let values: Vec<f64> = value.into_data().iter::<f64>().collect();
            self.found = non_finite(&path, columns, &values);
        }
    }
}

/// The module with other values of rank-2 parameters, which stay what they are otherwise.
pub(crate) fn replaced<M: Module>(module: M, values: HashMap<ParamId, Tensor<2>>) -> M {
    module.map(&mut Replace(values))
}

struct Replace(HashMap<ParamId, Tensor<2>>);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.0.remove(&param.id) else {
            return param;
        };
        // Cut off: what is put in its place is a leaf.
        let trains = is_trained(&param);
        let param = param.map(|old| {
            let value = beside(value.cast(old.dtype()), &old);
            value.reshape(old.shape())
        });
        with_gradients(param.set_require_grad(false), trains)
    }
}
