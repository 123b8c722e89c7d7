//! In which precision the weights of a split are held while their cores train.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{DType, Device, FloatDType, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::OsftError;
use crate::side::beside;
use crate::weight::Weight;

/// In which precision the weight `W₀` of a split is held while its core trains.
///
/// The core, its gradient and its moments are f32 either way (f64 in a module of f64), the bases too, and so
/// is everything that is computed: a weight is widened where it is multiplied by, with [`Osft::linear`](crate::Osft::linear) for
/// one product. Only the target weights that have a core are held in bf16; embeddings, norms and fully free
/// or fully protected targets stay as they are. Memory is saved where the caller does not keep the f32
/// module beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasePrecision {
    /// That of the module. The weights of a module in f16 or bf16 are held so too, with cores in f32.
    #[default]
    Full,
    /// bf16: half of the memory of the weights. They are rounded before they are split, which changes
    /// nothing in weights that come from a bf16 checkpoint, and again when the task is finished: a change
    /// below 2⁻⁸ of a value may be lost there, and what is lost is not orthogonal to what is protected.
    /// [`Osft::leaks`](crate::Osft::leaks) of the module before [`Osft::finish`](crate::Osft::finish) are
    /// those of the f32 master, afterwards those of what is stored.
    Bf16,
}

impl BasePrecision {
    /// # Errors
    ///
    /// [`OsftError::NoBf16`] where a device has none.
    pub(crate) fn check(self, device: &Device) -> Result<(), OsftError> {
        match self == Self::Full || device.supports_dtype(DType::BF16) {
            true => Ok(()),
            false => Err(OsftError::NoBf16),
        }
    }

    /// A weight as it is held.
    pub(crate) fn held(self, weight: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Full => weight,
            Self::Bf16 => weight.cast(FloatDType::BF16),
        }
    }
}

/// Whether numbers of a type take two bytes.
pub(crate) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
}

/// The type that bases, cores and factors of a weight stored as `dtype` have.
pub(crate) fn computed(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// Largest relative error of rounding a number that is computed with, half a unit in the last place.
pub(crate) fn unit_roundoff(computed: DType) -> f64 {
    match computed {
        DType::F64 => 2.0_f64.powi(-53),
        _ => 2.0_f64.powi(-24),
    }
}

/// A weight that was held, as it is computed with.
pub(crate) fn widened<const D: usize>(held: Tensor<D>) -> Tensor<D> {
    match is_half(held.dtype()) {
        true => held.cast(FloatDType::F32),
        false => held,
    }
}

/// A weight that was held and a change of it, in the wider precision of the two.
pub(crate) fn changed<const D: usize>(held: Tensor<D>, change: Tensor<D>) -> Tensor<D> {
    let held = widened(held);
    let dtype = match held.dtype() {
        DType::F64 => DType::F64,
        _ => change.dtype(),
    };
    held.cast(dtype) + change.cast(dtype)
}

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
            weight.held = precision.held(weight.value.clone());
            Ok(relative_difference(&weight.value, &weight.held))
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
            let [rows, columns] = [value.dims()[0], value.dims()[1]];
            let matrix = value.clone().inner().reshape([rows, columns]);
            let rounded = self.precision.held(matrix).cast(value.dtype());
            beside(rounded, &value).reshape(value.shape())
        })
    }
}
