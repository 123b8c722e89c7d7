//! Tensors of any number of dimensions as rows of their last one.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;

/// `[.., d]` as `[rows, d]`.
pub fn as_rows<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    let width = shape.as_slice().last().copied().unwrap_or(1);
    let rows = shape.num_elements() / width.max(1);
    B::float_reshape(x, Shape::new([rows, width]))
}

/// Rows in the layout of `shape`, with their own width.
pub fn unflattened<B: Backend>(rows: FloatTensor<B>, mut shape: Shape) -> FloatTensor<B> {
    let width = rows.shape().as_slice().last().copied();
    if let (Some(last), Some(width)) = (shape.as_mut_slice().last_mut(), width) {
        *last = width;
    }
    B::float_reshape(rows, shape)
}
