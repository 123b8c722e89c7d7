//! The model of the job. The host draws its values, because devices draw differently.

use std::path::Path;

use anyhow::Result;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use lm::{Decoder, Example, Pretrained};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const VOCABULARY: u32 = 64;

/// A model of two blocks with grouped-query attention.
pub fn model(device: &Device) -> Result<Decoder> {
    let config = json!({
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": true,
        "hidden_act": "silu",
    });
    let model = Decoder::from_config(&config, Path::new("portability"), device)?;
    Ok(model.map(&mut Draw(ChaCha8Rng::seed_from_u64(1))))
}

struct Draw(ChaCha8Rng);

impl ModuleMapper for Draw {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.val().dims();
        let device = param.val().device();
        // Norm weights around one; matrices scaled to preserve the magnitude of activations.
        let (centre, scale) = match D {
            1 => (1.0, 0.1),
            _ => (0.0, (3.0 / shape[0] as f32).sqrt()),
        };
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| centre + scale * self.0.random_range(-1.0..1.0_f32))
            .collect();
        Param::from_data(TensorData::new(values, shape), &device)
    }
}

/// Rows of different lengths, so that batches have padding.
pub fn examples(seed: u64, rows: usize) -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut tokens = |count: usize| -> Vec<u32> {
        (0..count)
            .map(|_| rng.random_range(0..VOCABULARY))
            .collect()
    };
    (0..rows)
        .map(|row| Example::new(tokens(3 + row % 5), tokens(2 + row % 3)))
        .collect()
}

/// All gradients of a module, concatenated.
pub fn gradients<M: Module>(module: &M, grads: &GradientsParams) -> Vec<f64> {
    struct Collect<'a>(&'a GradientsParams, Vec<f64>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.0.get::<D>(param.id) {
                self.1.extend(grad.into_data().iter::<f64>());
            }
        }
    }
    let mut collect = Collect(grads, Vec::new());
    module.visit(&mut collect);
    collect.1
}

/// All parameters of a module, concatenated.
pub fn parameters<M: Module>(module: &M) -> Vec<f64> {
    struct Collect(Vec<f64>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().inner().into_data().iter::<f64>());
        }
    }
    let mut collect = Collect(Vec::new());
    module.visit(&mut collect);
    collect.0
}
