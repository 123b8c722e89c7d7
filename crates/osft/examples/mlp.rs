//! OSFT on a hand-made perceptron: learn task A, then task B, with and without protection.
//!
//! `cargo run --release -p osft --example mlp`

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, activation::tanh};
use osft::{Osft, OsftConfig, OsftError};

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    output: Linear,
}

impl Mlp {
    /// Mean squared error of `y = 2 sin(x)` where only four of the eight inputs are used.
    fn loss(&self, first_input: usize, device: &Device) -> Tensor<1> {
        let used = Tensor::<2>::random([64, 4], Distribution::Uniform(-1.0, 1.0), device);
        let ranges = [0..64, first_input..first_input + 4];
        let x = Tensor::<2>::zeros([64, 8], device).slice_assign(ranges, used);
        let y = self.output.forward(tanh(self.hidden.forward(x.clone())));
        (y - x.sin() * 2.0).square().mean()
    }
}

fn learn(mut model: Mlp, share: f64, task: usize, device: &Device) -> Result<Mlp, OsftError> {
    let config = OsftConfig::new().with_protected_share(share);
    let osft = Osft::split(&model, &config)?;
    model = osft.freeze_others(model);
    let mut optimizer = osft.optimizer(AdamWConfig::new().with_weight_decay(0.0).build());
    for _ in 0..300 {
        let grads = model.loss(task, device).backward();
        let grads = GradientsParams::from_grads(grads, &model);
        model = optimizer.step(1e-2, model, grads);
    }
    println!("{osft}\nleaks: {:?}\n", osft.leaks(&model)?.worst());
    Ok(model)
}

fn main() -> Result<(), OsftError> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let layer = |d_in, d_out| {
        let initializer = Initializer::Normal {
            mean: 0.0,
            std: 0.02,
        };
        let config = LinearConfig::new(d_in, d_out).with_initializer(initializer);
        config.with_bias(false).init(&device)
    };
    let (hidden, output) = (layer(8, 32), layer(32, 8));
    let (task_a, task_b) = (0, 4);
    let base = learn(Mlp { hidden, output }, 0.0, task_a, &device)?;
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
