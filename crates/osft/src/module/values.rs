//! Values of parameters: checked to be finite, and replaced.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::error::OsftError;
use crate::module::{Paths, beside, is_trained, non_finite, with_gradients};

/// # Errors
///
/// [`OsftError::NonFinite`] for the first `wanted` parameter that contains a NaN or infinite value.
pub(crate) fn check_finite<M: Module>(
    module: &M,
    wanted: impl Fn(ParamId, &str) -> bool,
) -> Result<(), OsftError> {
    let mut check = Check {
        paths: Paths::default(),
        wanted,
        error: None,
    };
    module.visit(&mut check);
    check.error.map_or(Ok(()), Err)
}

struct Check<F> {
    paths: Paths,
    wanted: F,
    error: Option<OsftError>,
}

impl<F: Fn(ParamId, &str) -> bool> ModuleVisitor for Check<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.paths.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.paths.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(path) = self.paths.outside_attachments() else {
            return;
        };
        if self.error.is_some() || !(self.wanted)(param.id, &path) {
            return;
        }
        let value = param.base().inner();
        let columns = value.dims().last().copied().unwrap_or(1);
        // Checked on the device; only broken values are copied to the host.
        if !value.clone().is_finite().all().into_scalar::<bool>() {
            let values: Vec<f64> = value.into_data().iter::<f64>().collect();
            self.error = non_finite(&path, columns, &values);
        }
    }
}

/// Replaces the values of rank-2 parameters; everything else about them stays.
pub(crate) fn replaced<M: Module>(module: M, values: HashMap<ParamId, Tensor<2>>) -> M {
    module.map(&mut Replace(values))
}

struct Replace(HashMap<ParamId, Tensor<2>>);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.0.remove(&param.id) else {
            return param;
        };
        // Detached first, so that the new value is a leaf.
        let trains = is_trained(&param);
        let param = param.map(|old| {
            let value = beside(value.cast(old.dtype()), &old);
            value.reshape(old.shape())
        });
        with_gradients(param.set_require_grad(false), trains)
    }
}
