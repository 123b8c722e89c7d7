//! The weights that are split, and their values on the host.

use std::collections::HashSet;

use burn::module::{Module, ParamId};
use burn::tensor::{DType, Tensor};
use faer::Mat;

use crate::error::OsftError;
use crate::module::{Place, values};

/// A rank-2 parameter of a module, detached from any graph.
#[derive(Clone)]
pub(crate) struct Weight {
    pub path: String,
    pub id: ParamId,
    /// `[d_in, d_out]`
    pub value: Tensor<2>,
    /// The frozen base: the value in the base precision, which is decomposed; see
    /// [`BasePrecision`](crate::BasePrecision).
    pub base: Tensor<2>,
}

/// The weights of a module at these places, in the order of the places.
pub(crate) fn weights<M: Module>(module: &M, places: &[Place]) -> Vec<Weight> {
    let ids: HashSet<ParamId> = places.iter().map(|place| place.id).collect();
    let mut values = values(module, &ids);
    let places = places.iter();
    places
        .filter_map(|place| {
            let value = values.remove(&place.id)?;
            Some(Weight {
                path: place.path.clone(),
                id: place.id,
                base: value.clone(),
                value,
            })
        })
        .collect()
}

impl Weight {
    /// The reference of a change: the base if a core trains in place of the weight, otherwise the value.
    pub(crate) fn start(&self, has_core: bool) -> Tensor<2> {
        match has_core {
            true => self.base.clone(),
            false => self.value.clone(),
        }
    }

    /// The values that are split, checked to be finite.
    ///
    /// # Errors
    ///
    /// [`OsftError::Empty`], [`OsftError::UnsupportedDType`] and [`OsftError::NonFinite`], each with the
    /// path.
    pub(crate) fn to_host(&self) -> Result<Mat<f64>, OsftError> {
        let [d_in, d_out] = self.value.dims();
        if d_in == 0 || d_out == 0 {
            let layer = self.path.clone();
            return Err(OsftError::Empty { layer, d_in, d_out });
        }
        let dtype = self.value.dtype();
        let unsupported = || OsftError::UnsupportedDType {
            layer: self.path.clone(),
            dtype: format!("{dtype:?}"),
        };
        if !matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
            return Err(unsupported());
        }
        let data = self.base.clone().into_data();
        match data.as_slice::<f64>() {
            Ok(values) => self.matrix(values),
            // f16 and bf16 too, which f32 holds.
            Err(_) => {
                let data = data.convert::<f32>();
                self.matrix(data.as_slice::<f32>().map_err(|_| unsupported())?)
            }
        }
    }

    /// Built directly from the tensor's values: an f64 copy of a large weight would be large itself.
    fn matrix<T: Copy + Into<f64>>(&self, values: &[T]) -> Result<Mat<f64>, OsftError> {
        let [d_in, d_out] = self.value.dims();
        match non_finite(&self.path, d_out, values) {
            None => Ok(Mat::from_fn(d_in, d_out, |i, j| {
                values[i * d_out + j].into()
            })),
            Some(error) => Err(error),
        }
    }
}

/// The error about values that are not all finite; `None` if they are.
pub(crate) fn non_finite<T: Copy + Into<f64>>(
    layer: &str,
    columns: usize,
    values: &[T],
) -> Option<OsftError> {
    let is_broken = |value: &T| !Into::<f64>::into(*value).is_finite();
    let first = values.iter().position(is_broken)?;
    Some(OsftError::NonFinite {
        layer: layer.to_string(),
        count: values.iter().filter(|value| is_broken(value)).count(),
        total: values.len(),
        row: first / columns,
        column: first % columns,
    })
}
