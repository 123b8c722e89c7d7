//! Types of numbers in one chain.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::DType;

/// The numbers in another type; nothing is done if it is theirs.
///
/// # Shapes
/// - `x` and output: the same shape
pub fn in_type<B: Backend>(x: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    match x.dtype() == dtype {
        true => x,
        false => B::float_cast(x, dtype.into()),
    }
}

/// Numbers of two bytes as f32, for sums; others stay.
///
/// # Shapes
/// - `x` and output: the same shape
pub fn widened<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    match x.dtype() {
        DType::BF16 | DType::F16 => in_type::<B>(x, DType::F32),
        _ => x,
    }
}
