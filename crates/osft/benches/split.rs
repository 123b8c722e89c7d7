//! Splits of single weights beside faer's thin singular value decomposition of the same values.
//!
//!     cargo bench --workspace --bench split
//!     cargo bench --workspace --bench split -- 4096

#![allow(clippy::unwrap_used)]

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use divan::Bencher;
use faer::Mat;
use osft::{Osft, OsftConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rows and columns; the last takes minutes.
const SHAPES: [(usize, usize); 4] = [(576, 576), (576, 1536), (1024, 1024), (4096, 4096)];

fn main() {
    divan::main();
}

fn values((rows, columns): (usize, usize)) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    (0..rows * columns)
        .map(|_| random.random::<f32>() - 0.5)
        .collect()
}

fn layer(shape: (usize, usize)) -> Linear {
    let device = Device::flex();
    let mut layer = LinearConfig::new(shape.0, shape.1)
        .with_bias(false)
        .init(&device);
    let data = TensorData::new(values(shape), [shape.0, shape.1]);
    layer.weight = Param::initialized(layer.weight.id, Tensor::from_data(data, &device));
    layer
}

#[divan::bench(args = SHAPES, sample_count = 3, sample_size = 1)]
fn osft_share_half(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let layer = layer(shape);
    let config = OsftConfig::new().with_protected_share(0.5);
    bencher.bench_local(|| Osft::split(&layer, &config).unwrap());
}

#[divan::bench(args = SHAPES, sample_count = 3, sample_size = 1)]
fn faer_thin_svd_f64(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let values = values(shape);
    let matrix = Mat::from_fn(shape.0, shape.1, |i, j| f64::from(values[i * shape.1 + j]));
    bencher.bench_local(|| matrix.thin_svd().unwrap());
}

#[divan::bench(args = SHAPES, sample_count = 3, sample_size = 1)]
fn faer_thin_svd_f32(bencher: Bencher<'_, '_>, shape: (usize, usize)) {
    let values = values(shape);
    let matrix = Mat::from_fn(shape.0, shape.1, |i, j| values[i * shape.1 + j]);
    bencher.bench_local(|| matrix.thin_svd().unwrap());
}
