//! Rounding of weights to the precision that they are stored in.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::config::BasePrecision;
use crate::error::OsftError;
use crate::module::{Weight, as_matrix, beside};

/// Rounds the base of every weight to a precision. Returns a warning if that changes the weights.
///
/// # Errors
///
/// [`OsftError::NoBf16`] if the device does not support bf16.
pub(crate) fn round_bases(
    weights: &mut [Weight],
    precision: BasePrecision,
) -> Result<Option<String>, OsftError> {
    if precision == BasePrecision::Full {
        return Ok(None);
    }
    let errors = weights
        .par_iter_mut()
        .map(|weight| {
            precision.check(&weight.value.device())?;
            weight.base = precision.rounded(weight.value.clone());
            Ok(relative_difference(&weight.value, &weight.base))
        })
        .collect::<Result<Vec<f64>, OsftError>>()?;
    let errors = errors.into_iter().zip(weights.iter());
    let worst = errors.max_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(worst.filter(|(error, _)| *error > 0.0).map(|(error, weight)| {
        let path = &weight.path;
        format!(
            "the weights were rounded to bf16 before they were split: by at most {error:.1e} of their \
             norm, in {path}"
        )
    }))
}

/// `‖rounded - weight‖ / ‖weight‖`; 0 if the weight is zero or has values that are not finite, which the
/// split refuses later with their position.
fn relative_difference(weight: &Tensor<2>, rounded: &Tensor<2>) -> f64 {
    let (weight, rounded) = (weight.clone().into_data(), rounded.clone().into_data());
    let mut squares = [0.0_f64; 2];
    for (value, rounded) in weight.iter::<f64>().zip(rounded.iter::<f64>()) {
        squares[0] += (rounded - value).powi(2);
        squares[1] += value.powi(2);
    }
    match squares[1] > 0.0 && squares[0].is_finite() {
        true => (squares[0] / squares[1]).sqrt(),
        false => 0.0,
    }
}

/// Rounds parameters of a module to the precision that they are stored in.
pub(crate) fn round_parameters<M: Module>(
    module: M,
    precision: BasePrecision,
    ids: impl Iterator<Item = ParamId>,
) -> M {
    match precision {
        BasePrecision::Full => module,
        BasePrecision::Bf16 => module.map(&mut Rounding {
            precision,
            ids: ids.collect(),
        }),
    }
}

struct Rounding {
    precision: BasePrecision,
    ids: HashSet<ParamId>,
}

impl ModuleMapper for Rounding {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D != 2 || !self.ids.contains(&param.id) {
            return param;
        }
        param.map(|value| {
            let matrix = as_matrix(value.clone().inner());
            let rounded = self.precision.rounded(matrix).cast(value.dtype());
            beside(rounded, &value).reshape(value.shape())
        })
    }
}
