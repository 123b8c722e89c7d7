//! OSFT on a hand-made perceptron: learn A, then B, protecting nothing or half of A's directions.
//!
//! `cargo run --release --example mlp`

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, activation::tanh};
use burn::{module::Module, tensor::s};
use osft::{Osft, OsftConfig, OsftError};

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    output: Linear,
}

impl Mlp {
    /// Error in `y = 2 sin(x)` where only the four inputs from `first` on are used.
    fn loss(&self, first: usize, device: &Device) -> Tensor<1> {
        let used = Tensor::<2>::random([64, 4], Distribution::Uniform(-1.0, 1.0), device);
        let x = Tensor::<2>::zeros([64, 8], device);
        let x = x.slice_assign(s![.., first..first + 4], used);
        let y = self.output.forward(tanh(self.hidden.forward(x.clone())));
        (y - x.sin() * 2.0).square().mean()
    }
}

fn learn(mut model: Mlp, share: f64, task: usize, device: &Device) -> Result<Mlp, OsftError> {
    let osft = Osft::split(&model, &OsftConfig::new().with_protected_share(share))?;
    model = osft.prepare(model)?;
    let mut optimizer = osft.optimizer(AdamWConfig::new().with_weight_decay(0.0).build())?;
    for _ in 0..300 {
        let grads = model.loss(task, device).backward();
        let grads = GradientsParams::from_grads(grads, &model);
        model = optimizer.step(1e-2, model, grads);
    }
    println!("{osft}\nleaks: {:?}\n", osft.leaks(&model)?.worst());
    osft.finish(model)
}

fn main() -> Result<(), OsftError> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let layer = |d_in, d_out| {
        let (mean, std) = (0.0, 0.02);
        let config = LinearConfig::new(d_in, d_out).with_bias(false);
        let config = config.with_initializer(Initializer::Normal { mean, std });
        config.init(&device)
    };
    let (hidden, output, a, b) = (layer(8, 32), layer(32, 8), 0, 4);
    let base = learn(Mlp { hidden, output }, 0.0, a, &device)?;
    for share in [0.0, 0.5] {
        let model = learn(base.clone(), share, b, &device)?;
        let loss = |task| model.loss(task, &device).into_scalar::<f32>();
        println!("share {share}: loss on A {:.4}, B {:.4}", loss(a), loss(b));
    }
    Ok(())
}
