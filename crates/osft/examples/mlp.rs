//! OSFT on a hand-made perceptron: learn task A, then task B, with and without protection.
//!
//! `cargo run --release -p osft --example mlp`

use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, activation::tanh};
use burn::{module::Module, tensor::TensorData};
use osft::{Osft, OsftConfig, OsftError};

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    output: Linear,
}

impl Mlp {
    /// Mean squared error on points of the unit square whose target is `sin(angle · x)`.
    fn loss(&self, angle: [f32; 2], device: &Device) -> Tensor<1> {
        let x = Tensor::<2>::random([64, 2], Distribution::Uniform(-1.0, 1.0), device);
        let direction = Tensor::<2>::from_data(TensorData::new(angle.to_vec(), [2, 1]), device);
        let y = self.output.forward(tanh(self.hidden.forward(x.clone())));
        (y - x.matmul(direction).sin()).square().mean()
    }
}

fn learn(mut model: Mlp, share: f64, angle: [f32; 2], device: &Device) -> Result<Mlp, OsftError> {
    let config = OsftConfig::new().with_protected_share(share);
    let osft = Osft::split(&model, &config)?;
    model = osft.freeze_others(model);
    let mut optimizer = osft.optimizer(AdamWConfig::new().with_weight_decay(0.0).build());
    for _ in 0..400 {
        let grads = model.loss(angle, device).backward();
        let grads = GradientsParams::from_grads(grads, &model);
        model = optimizer.step(1e-2, model, grads);
    }
    println!("{osft}\nworst leak: {:?}\n", osft.leaks(&model)?.worst());
    Ok(model)
}

fn main() -> Result<(), OsftError> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let (task_a, task_b) = ([3.0, 0.0], [0.0, 3.0]);
    let base = Mlp {
        hidden: LinearConfig::new(2, 64).init(&device),
        output: LinearConfig::new(64, 1).init(&device),
    };
    let base = learn(base, 0.0, task_a, &device)?;
    for share in [0.0, 0.5] {
        let model = learn(base.clone(), share, task_b, &device)?;
        let loss = |task| model.loss(task, &device).into_scalar::<f32>();
        println!(
            "share {share}: loss on A {:.4}, on B {:.4}\n",
            loss(task_a),
            loss(task_b)
        );
    }
    Ok(())
}
