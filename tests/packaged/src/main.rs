//! Learns two tasks with the packaged crate, one after the other, and fails unless the first one is kept better than
//! without protection.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, activation::tanh, s};
use osft::{Osft, OsftConfig, OsftError};

#[derive(Module, Debug)]
struct Network {
    hidden: Linear,
    output: Linear,
}

/// In place of a layer's `forward`. On a backend that the crate was not told of it must work too.
fn through(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let product = Osft::linear(&layer.weight, &x);
    product.unwrap_or_else(|| x.matmul(layer.weight.val()))
}

impl Network {
    /// Error in the sine of four of eight inputs, from `first` on.
    fn loss(&self, first: usize, device: &Device) -> Tensor<1> {
        let used = Tensor::<2>::random([64, 4], Distribution::Uniform(-1.0, 1.0), device);
        let x = Tensor::<2>::zeros([64, 8], device).slice_assign(s![.., first..first + 4], used);
        let y = through(&self.output, tanh(through(&self.hidden, x.clone())));
        (y - x.sin() * 2.0).square().mean()
    }
}

fn learn(model: Network, share: f64, first: usize, device: &Device) -> Result<Network, OsftError> {
    let osft = Osft::split(&model, &OsftConfig::new().with_protected_share(share))?;
    let mut model = osft.prepare(model)?;
    let mut optimizer = osft.optimizer(AdamWConfig::new().with_weight_decay(0.0).build())?;
    let x = Tensor::<2>::ones([3, 8], device);
    // What protects nothing is an ordinary weight.
    let has_product = Osft::linear(&model.hidden.weight, &x).is_some();
    assert!(
        has_product || share == 0.0,
        "`Osft::linear` left a target to its layer"
    );
    for _ in 0..300 {
        let grads = model.loss(first, device).backward();
        let grads = GradientsParams::from_grads(grads, &model);
        model = optimizer.step(1e-2, model, grads);
    }
    let leak = osft.leaks(&model)?.worst();
    assert!(leak.leak_in < 1e-5 && leak.leak_out < 1e-5, "{leak:?}");
    osft.finish(model)
}

fn main() -> Result<(), OsftError> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let layer = |d_in, d_out| {
        LinearConfig::new(d_in, d_out)
            .with_bias(false)
            .init(&device)
    };
    let (hidden, output) = (layer(8, 32), layer(32, 8));
    let base = learn(Network { hidden, output }, 0.0, 0, &device)?;
    let of = |model: &Network, first| model.loss(first, &device).into_scalar::<f32>();
    let plain = learn(base.clone(), 0.0, 4, &device)?;
    let protected = learn(base.clone(), 0.5, 4, &device)?;
    println!("first task: {:.4} learned", of(&base, 0));
    println!(
        "after the second: {:.4} unprotected, {:.4} protected",
        of(&plain, 0),
        of(&protected, 0)
    );
    assert!(
        of(&base, 4) > 2.0 * of(&protected, 4),
        "the second task was not learned"
    );
    assert!(
        of(&protected, 0) < of(&plain, 0),
        "the first task was not protected"
    );
    Ok(())
}
