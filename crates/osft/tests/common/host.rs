//! Matrices in f64, for references that share only the values with the library.

use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use faer::linalg::solvers::Svd;

pub fn host(tensor: &Tensor<2>) -> Mat<f64> {
    let [rows, columns] = tensor.dims();
    let values: Vec<f64> = tensor.clone().into_data().iter::<f64>().collect();
    Mat::from_fn(rows, columns, |i, j| values[i * columns + j])
}

pub fn tensor(matrix: &Mat<f64>, device: &Device) -> Tensor<2> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let values = (0..rows).flat_map(|i| (0..columns).map(move |j| matrix[(i, j)] as f32));
    let values: Vec<f32> = values.collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

pub fn svd(matrix: &Mat<f64>) -> Svd<f64> {
    matrix.thin_svd().unwrap()
}
