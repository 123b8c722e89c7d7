//! OSFT protects the directions of every model family that the decoder serves.

use crate::models::families;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{AdamWConfig, GradientsAccumulator};
use burn::tensor::{Device, Tensor, TensorData};
use lm::{Backpropagation, Decoder, Example, LanguageModel, MixedPrecision, Pretrained, Unmapped};
use osft::{Osft, OsftConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

const STEPS: usize = 20;
const LEARNING_RATE: f64 = 1e-2;
/// Least change of a layer that counts as learning, relative to its weight.
const LEARNED: f64 = 1e-2;
/// Rounding of the weights in f32, `2⁻²⁴` of a weight whose change is at least [`LEARNED`] of it, and that of the
/// bases themselves, which is about as large.
const LEAK_BOUND: f64 = 1e-5;

fn model(config: &Value, device: &Device) -> Decoder {
    struct Draw(ChaCha8Rng, Device);
    impl ModuleMapper for Draw {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.dims();
            let centre = if D == 1 { 1.0 } else { 0.0 };
            let draws = (0..shape.iter().product()).map(|_| self.0.random::<f32>() - 0.5);
            let values: Vec<f32> = draws.map(|draw| centre + 0.6 * draw).collect();
            let values = Tensor::from_data(TensorData::new(values, shape), &self.1);
            Param::initialized(param.id, values)
        }
    }
    let model = Decoder::from_config(config, Path::new("config.json"), device).unwrap();
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(3), device.clone());
    model.map(&mut draw).unfreeze()
}

fn examples() -> Vec<Example> {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut row = |length| (0..length).map(|_| random.random_range(0..41)).collect();
    [(5, 4), (2, 6), (7, 1)]
        .map(|(prompt, answer)| Example::new(row(prompt), row(answer)))
        .to_vec()
}

#[test]
fn osft_trains_every_family_without_a_leak() {
    let device = Device::flex().autodiff();
    for (family, config) in families::families() {
        let model = model(&config, &device);
        let how = OsftConfig::new()
            .with_targets(["_proj\\.weight$"])
            .with_protected_share(0.5);
        let osft = Osft::split(&model, &how).unwrap();
        let mut optimizer = osft.optimizer(AdamWConfig::new().build()).unwrap();
        let mut model = osft.prepare(model).unwrap();
        let mut losses = Vec::new();
        for step in 0..STEPS {
            let mut gradients = GradientsAccumulator::new();
            let how = Backpropagation {
                scale: 0.1,
                map: &Unmapped,
                // Each way of a training step has its turns.
                activation_checkpointing: step % 2 == 0,
                packing: step % 4 < 2,
                precision: MixedPrecision::None,
            };
            let loss = model.answer_gradients(&examples(), how, &mut |part| {
                gradients.accumulate(&model, part);
            });
            losses.push(loss);
            model = optimizer.step(LEARNING_RATE, model, gradients.grads());
        }
        assert!(losses[STEPS - 1] < losses[0], "{family}: {losses:?}");

        let report = osft.leaks(&model).unwrap();
        // Fused projections are one matrix each, as in the files.
        let matrices = if family == "phi3" { 4 } else { 7 };
        assert_eq!(report.layers.len(), 2 * matrices, "{family}");
        for layer in &report.layers {
            assert!(layer.relative_change > LEARNED, "{family}: {layer:?}");
            let leak = layer.leak_in.max(layer.leak_out);
            assert!(leak <= LEAK_BOUND, "{family}: {layer:?}");
        }
    }
}
