//! Weights in the precision that they are held in, and rounded to what is stored.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::config::BasePrecision;
use crate::error::OsftError;
use crate::module::{Weight, as_matrix, beside};

/// Holds weights in a precision; says how much of them that takes away, if anything.
pub(crate) fn hold(
    weights: &mut [Weight],
    precision: BasePrecision,
) -> Result<Option<String>, OsftError> {
    if precision == BasePrecision::Full {
        return Ok(None);
    }
    let lost = weights
        .par_iter_mut()
        .map(|weight| {
            precision.check(&weight.value.device())?;
            weight.base = precision.held(weight.value.clone());
            Ok(relative_difference(&weight.value, &weight.base))
        })
        .collect::<Result<Vec<f64>, OsftError>>()?;
    let lost = lost.into_iter().zip(weights.iter());
    let worst = lost.max_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(worst.filter(|(lost, _)| *lost > 0.0).map(|(lost, weight)| {
        let path = &weight.path;
        format!(
            "the weights were rounded to bf16 before they were split: by at most {lost:.1e} of their \
             norm, in {path}"
        )
    }))
}

/// `‖held - weight‖ / ‖weight‖`; 0 where the weight is, and where it has values that are not finite, which
/// the split refuses by their place.
fn relative_difference(weight: &Tensor<2>, held: &Tensor<2>) -> f64 {
    let (weight, held) = (weight.clone().into_data(), held.clone().into_data());
    let mut squares = [0.0_f64; 2];
    for (value, held) in weight.iter::<f64>().zip(held.iter::<f64>()) {
        squares[0] += (held - value).powi(2);
        squares[1] += value.powi(2);
    }
    match squares[1] > 0.0 && squares[0].is_finite() {
        true => (squares[0] / squares[1]).sqrt(),
        false => 0.0,
    }
}

/// Rounds parameters of a module to what they are stored as.
pub(crate) fn stored<M: Module>(
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
            let rounded = self.precision.held(matrix).cast(value.dtype());
            beside(rounded, &value).reshape(value.shape())
        })
    }
}
