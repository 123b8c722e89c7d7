//! Conversion between host matrices and tensors, and the digits of checksums.

use burn::tensor::{DType, Device, Element, Tensor, TensorData};
use faer::{Mat, MatRef};

/// A matrix as a tensor of f32 or f64.
pub(crate) fn to_tensor(matrix: MatRef<'_, f64>, device: &Device, dtype: DType) -> Tensor<2> {
    // Converted before the tensor is made: otherwise a large matrix would exist twice, once more in f64.
    match dtype {
        DType::F64 => Tensor::from_data(data(matrix, |value| value), (device, dtype)),
        _ => Tensor::from_data(data(matrix, |value| value as f32), (device, DType::F32)),
    }
}

fn data<T: Element>(matrix: MatRef<'_, f64>, convert: impl Fn(f64) -> T) -> TensorData {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let mut values = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        values.extend((0..columns).map(|j| convert(matrix[(i, j)])));
    }
    TensorData::new(values, [rows, columns])
}

pub(crate) fn to_host(tensor: &Tensor<2>) -> Mat<f64> {
    let [rows, columns] = tensor.dims();
    let values: Vec<f64> = tensor.clone().into_data().iter::<f64>().collect();
    Mat::from_fn(rows, columns, |i, j| values[i * columns + j])
}

/// Numbers as they are saved: as a tensor, since JSON may change their last digit.
pub(crate) fn vector_data(values: &[f64]) -> TensorData {
    TensorData::new(values.to_vec(), [values.len()])
}

/// A matrix as it is saved, row by row.
pub(crate) fn matrix_data(matrix: &Mat<f64>) -> TensorData {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let values = (0..rows).flat_map(|i| (0..columns).map(move |j| matrix[(i, j)]));
    TensorData::new(values.collect::<Vec<f64>>(), [rows, columns])
}

/// The hexadecimal digits of a checksum.
pub(crate) fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
