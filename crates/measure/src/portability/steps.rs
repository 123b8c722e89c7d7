//! Training steps of the job.

use burn::optim::{AdamWConfig, GradientsAccumulator, ModuleOptimizer};
use continual::methods::ThroughCores;
use lm::{Backpropagation, Decoder, LanguageModel, MixedPrecision};
use osft::Osft;

use super::network::examples;

const STEPS: u64 = 20;
const LEARNING_RATE: f64 = 1e-3;

/// The optimizer of all trainings.
pub fn adamw() -> burn::optim::AdamW {
    AdamWConfig::new().with_weight_decay(0.0).build()
}

/// Twenty steps; the model after them, and their losses.
pub fn train(
    mut model: Decoder,
    osft: Option<&Osft>,
    precision: MixedPrecision,
    optimizer: &mut ModuleOptimizer,
) -> (Decoder, Vec<f64>) {
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let examples = examples(100 + step, 8);
        let count: usize = examples.iter().map(|row| model.target_count(row)).sum();
        let mut accumulator = GradientsAccumulator::new();
        let how = Backpropagation {
            scale: 1.0 / count as f64,
            map: &ThroughCores,
            activation_checkpointing: step % 2 == 1,
            packing: false,
            precision,
        };
        losses.push(model.answer_gradients(&examples, how, &mut |grads| {
            accumulator.accumulate(&model, grads);
        }));
        let grads = accumulator.grads();
        let grads = match osft {
            Some(osft) => osft.project(grads),
            None => grads,
        };
        model = optimizer.step(LEARNING_RATE, model, grads);
    }
    (model, losses)
}
