//! Decompositions on the host, and matrices into and out of tensors.

mod convert;
mod decompose;

pub(crate) use convert::{hexadecimal, matrix_data, to_host, to_tensor, vector_data};
pub(crate) use decompose::{Vectors, completed, decompose, decompose_rows, eigen};
