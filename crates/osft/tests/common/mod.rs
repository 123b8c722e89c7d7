//! A small perceptron, seeded data and an independent leak measure.

#![allow(clippy::unwrap_used, dead_code)]

pub mod drawn;
pub mod host;
pub mod network;
pub mod sinks;

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamW, AdamWConfig, GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor, TensorData, activation::tanh};
use faer::Mat;
use osft::{Form, Osft};

pub const FORMS: [Form; 4] = [
    Form::Core,
    Form::Weight,
    Form::Factored,
    Form::FactoredReprojected,
];

/// The CPU backends; every guarantee is tested on each.
pub fn backends() -> Vec<(&'static str, Device)> {
    #[allow(deprecated)] // Burn 0.22 announces its removal; it is the reference backend here.
    let ndarray = Device::ndarray();
    vec![("ndarray", ndarray), ("flex", Device::flex())]
}

/// Square, wide and tall layers: `16 → 16 → 40 → 12`.
#[derive(Module, Debug)]
pub struct Mlp {
    pub first: Linear,
    pub middle: Linear,
    pub last: Linear,
}

impl Mlp {
    pub fn new(seed: u64, device: &Device) -> Self {
        let layer = |n: u64, d_in: usize, d_out: usize| {
            let mut linear = LinearConfig::new(d_in, d_out).init(device);
            let scale = (1.0 / d_in as f32).sqrt() * 1.7;
            let values = noise(seed * 31 + n, d_in * d_out, scale);
            linear.weight = Param::from_data(TensorData::new(values, [d_in, d_out]), device);
            // Drawn on the host too: the test does not depend on the device's random stream.
            let bias = noise(seed * 57 + n, d_out, 0.1);
            linear.bias = Some(Param::from_data(TensorData::new(bias, [d_out]), device));
            linear
        };
        Self {
            first: layer(1, 16, 16),
            middle: layer(2, 16, 40),
            last: layer(3, 40, 12),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = tanh(self.first.forward(x));
        self.last.forward(tanh(self.middle.forward(x)))
    }
}

/// Uniform noise in `[-scale, scale)`, drawn on the host so that backends agree.
pub fn noise(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale
        })
        .collect()
}

pub fn batch(seed: u64, device: &Device) -> (Tensor<2>, Tensor<2>) {
    let data = |salt: u64, width: usize| {
        let values = noise(seed * 7 + salt, 8 * width, 1.0);
        Tensor::from_data(TensorData::new(values, [8, width]), device)
    };
    (data(101, 16), data(202, 12))
}

/// Without weight decay, so that the form alone decides what leaks.
pub fn adamw() -> AdamW {
    AdamWConfig::new().with_weight_decay(0.0).build()
}

/// One step on a batch of noise, with projected gradients.
pub fn step(
    model: Mlp,
    osft: &Osft,
    optimizer: &mut ModuleOptimizer,
    rate: f64,
    seed: u64,
    device: &Device,
) -> Mlp {
    let (x, y) = batch(seed, device);
    let loss = (model.forward(x) - y).square().sum();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    optimizer.step(rate, model, osft.project(grads))
}

/// Prepares a module and trains it for some steps.
pub fn trained(
    model: Mlp,
    osft: &Osft,
    inner: impl Optimizer,
    rate: f64,
    steps: u64,
    device: &Device,
) -> Mlp {
    let mut optimizer = osft.optimizer(inner).unwrap();
    let model = osft.prepare(model).unwrap();
    (0..steps).fold(model, |model, seed| {
        step(model, osft, &mut optimizer, rate, seed, device)
    })
}

#[derive(Clone, Debug, PartialEq)]
pub struct HostWeight {
    pub shape: [usize; 2],
    pub values: Vec<f32>,
}

pub fn weights_of(model: &Mlp) -> Vec<HostWeight> {
    [&model.first, &model.middle, &model.last]
        .map(|layer| HostWeight {
            shape: layer.weight.dims(),
            values: layer
                .weight
                .val()
                .inner()
                .into_data()
                .try_into_vec()
                .unwrap(),
        })
        .to_vec()
}

/// One-sided leaks in f64, from an independent decomposition of the start weights.
pub fn host_leaks(start: &[HostWeight], now: &[HostWeight], share: f64) -> Vec<(f64, f64)> {
    start
        .iter()
        .zip(now)
        .map(|(start, now)| {
            let [d_in, d_out] = start.shape;
            let at = |w: &HostWeight, i: usize, j: usize| f64::from(w.values[i * d_out + j]);
            let w = Mat::from_fn(d_in, d_out, |i, j| at(start, i, j));
            let change = Mat::from_fn(d_in, d_out, |i, j| at(now, i, j) - at(start, i, j));
            let svd = w.thin_svd().unwrap();
            let k = (share * d_in.min(d_out) as f64 + 1e-6).floor() as usize;
            let p = svd.U().subcols(0, k);
            let q = svd.V().subcols(0, k);
            let size = change.norm_l2();
            let input = (p.transpose() * &change).norm_l2() / size;
            let output = (&change * q).norm_l2() / size;
            (input, output)
        })
        .collect()
}
