//! A network with a shared input, inputs with a few large directions, and training on them.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use osft::{Calibration, Calibrator, Osft, OsftConfig, ShareRule, SplitContext, SplitSource};

use super::host::tensor;
use super::{adamw, noise};

/// Two layers with a common input, and a third layer on the output of the first.
#[derive(Module, Debug)]
pub struct Network {
    pub left: Linear,
    pub right: Linear,
    pub top: Linear,
}

pub const WIDTH: usize = 16;

pub fn linear(seed: u64, d_in: usize, d_out: usize, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(d_in, d_out).with_bias(false).init(device);
    let values = noise(seed, d_in * d_out, 0.5);
    linear.weight = Param::from_data(TensorData::new(values, [d_in, d_out]), device);
    linear
}

impl Network {
    pub fn new(device: &Device) -> Self {
        Self {
            left: linear(1, WIDTH, WIDTH, device),
            right: linear(2, WIDTH, 6, device),
            top: linear(3, WIDTH, 10, device),
        }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.top.forward(self.left.forward(x.clone())).sum_dim(1) + self.right.forward(x).sum_dim(1)
    }

    pub fn observe(&self, calibrator: &mut Calibrator, x: Tensor<2>) {
        let left = self.left.forward(x.clone());
        let right = self.right.forward(x.clone());
        let outputs = [
            (self.left.weight.id, left.clone()),
            (self.right.weight.id, right),
        ];
        calibrator.observe(&x, &outputs).unwrap();
        let top = self.top.forward(left.clone());
        calibrator
            .observe(&left, &[(self.top.weight.id, top)])
            .unwrap();
    }
}

/// Inputs with a few large directions, which are not the axes: row `i` of a fixed mixing is scaled by
/// `0.6^i`.
pub fn inputs(seed: u64, rows: usize, device: &Device) -> Tensor<2> {
    let mixing = noise(77, WIDTH * WIDTH, 1.0);
    let mixing = Mat::from_fn(WIDTH, WIDTH, |i, j| {
        f64::from(mixing[i * WIDTH + j]) * 0.6_f64.powi(i as i32)
    });
    let z = noise(seed, rows * WIDTH, 1.0);
    let z = Mat::from_fn(rows, WIDTH, |i, j| f64::from(z[i * WIDTH + j]));
    tensor(&(z * mixing), device)
}

pub fn calibrated(network: &Network, name: &str, batches: &[Tensor<2>]) -> Calibration {
    let calibrator = Calibrator::new(network, &OsftConfig::new().targets).unwrap();
    observed(calibrator, network, name, batches)
}

/// The calibration of some batches.
pub fn observed(
    mut calibrator: Calibrator,
    network: &Network,
    name: &str,
    batches: &[Tensor<2>],
) -> Calibration {
    for x in batches {
        network.observe(&mut calibrator, x.clone());
    }
    calibrator.finish(name, network).unwrap()
}

pub fn split(network: &Network, config: &OsftConfig, calibration: &Calibration) -> Osft {
    let context = SplitContext::new().with_calibration(calibration);
    Osft::split_in(network, config, &context).unwrap()
}

pub fn energy(energy: f64) -> OsftConfig {
    OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(energy))
}

/// Trains with AdamW towards other outputs on isotropic inputs, whose gradients have parts in every
/// direction.
pub fn train(network: Network, osft: &Osft, device: &Device) -> Network {
    let mut optimizer = osft.optimizer(adamw()).unwrap();
    let mut network = osft.prepare(network).unwrap();
    for step in 0..30 {
        let x = noise(900 + step, 8 * WIDTH, 1.0);
        let x = Tensor::from_data(TensorData::new(x, [8, WIDTH]), device);
        let loss = (network.forward(x) - 3.0).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(1e-2, network, osft.project(grads));
    }
    osft.finish(network).unwrap()
}
