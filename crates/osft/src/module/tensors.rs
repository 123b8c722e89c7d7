//! Making tensors compatible: one device, one autodiff state, one type.

use burn::tensor::{DType, FloatDType, Tensor};

/// A constant that can be combined with `tensor`: on its device and with its autodiff state. Its values are
/// shared if the device is the same.
pub(crate) fn beside<const C: usize, const D: usize>(
    constant: Tensor<C>,
    tensor: &Tensor<D>,
) -> Tensor<C> {
    let strategy = tensor.gradient_checkpointing_strategy();
    let constant = constant.inner().to_device(&tensor.device().inner());
    match strategy {
        Some(strategy) => constant
            .autodiff()
            .with_gradient_checkpointing_strategy(strategy),
        None => constant,
    }
}

/// Whether numbers of a type take two bytes.
pub(crate) fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::BF16 | DType::F16)
}

/// The computation type: the type of bases, cores and factors of a weight that is stored as `dtype`.
pub(crate) fn computed(dtype: DType) -> DType {
    match dtype {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

/// Largest relative rounding error in a computation type, half a unit in the last place.
pub(crate) fn unit_roundoff(computed: DType) -> f64 {
    match computed {
        DType::F64 => 2.0_f64.powi(-53),
        _ => 2.0_f64.powi(-24),
    }
}

/// A stored weight in the computation type.
pub(crate) fn widened<const D: usize>(stored: Tensor<D>) -> Tensor<D> {
    match is_half(stored.dtype()) {
        true => stored.cast(FloatDType::F32),
        false => stored,
    }
}

/// The sum of a stored weight and a change, in the wider type of the two.
pub(crate) fn changed<const D: usize>(stored: Tensor<D>, change: Tensor<D>) -> Tensor<D> {
    let stored = widened(stored);
    let dtype = match stored.dtype() {
        DType::F64 => DType::F64,
        _ => change.dtype(),
    };
    stored.cast(dtype) + change.cast(dtype)
}

/// The tensor as a matrix. Weights and cores are rank-2 parameters, so this only tells the compiler their
/// rank.
pub(crate) fn as_matrix<const D: usize>(tensor: Tensor<D>) -> Tensor<2> {
    let dims = tensor.dims();
    let rows = dims.first().copied().unwrap_or(1);
    let columns = dims.iter().skip(1).product();
    tensor.reshape([rows, columns])
}
