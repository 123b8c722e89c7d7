//! Tensors that can meet: on one device, differentiated alike, of one type.

use burn::tensor::{DType, FloatDType, Tensor};

/// A constant that can meet `tensor` in an operation: on its device, and with its kind of
/// differentiation. Its values are shared where the device is the same.
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

/// Weights and cores are rank-2 parameters, so this only tells the compiler what holds anyway.
pub(crate) fn as_matrix<const D: usize>(tensor: Tensor<D>) -> Tensor<2> {
    let dims = tensor.dims();
    let rows = dims.first().copied().unwrap_or(1);
    let columns = dims.iter().skip(1).product();
    tensor.reshape([rows, columns])
}
