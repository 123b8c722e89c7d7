//! Choosing the next token from the logits.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decoding {
    /// The most likely token.
    Greedy,
    /// A token sampled from the softmax.
    Sample {
        /// Divisor of the logits; above 0, and 1 leaves them unchanged.
        temperature: f64,
        /// Samples among this many most likely tokens only; 0 means no limit.
        top_k: usize,
        /// Samples among the most likely tokens whose probabilities sum to this, in `(0, 1]`.
        top_p: f64,
        /// Seed of the samples. The same seed gives the same tokens, on every backend up to rounding of the
        /// logits.
        seed: u64,
    },
}

/// Options of text generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationOptions {
    /// Maximum number of tokens that are added to a prompt.
    pub max_new_tokens: usize,
    /// Ids of the tokens that end a continuation.
    pub stop_tokens: Vec<u32>,
    /// Minimum number of tokens: until then, stop tokens are not chosen.
    pub min_new_tokens: usize,
    /// How a token is chosen.
    pub decoding: Decoding,
    /// Whether to cache the keys and values of earlier tokens (the default). Without a cache they are
    /// recomputed at every step, with the same result.
    pub use_cache: bool,
}

impl GenerationOptions {
    /// Greedy decoding of at most `max_new_tokens` tokens.
    pub fn greedy(max_new_tokens: usize, stop_tokens: Vec<u32>) -> Self {
        Self {
            max_new_tokens,
            stop_tokens,
            min_new_tokens: 0,
            decoding: Decoding::Greedy,
            use_cache: true,
        }
    }
}

/// Chooses tokens for a batch, step by step.
pub(crate) struct Chooser<'a> {
    options: &'a GenerationOptions,
    rng: ChaCha8Rng,
    step: usize,
}

impl<'a> Chooser<'a> {
    pub(crate) fn new(options: &'a GenerationOptions) -> Self {
        let seed = match options.decoding {
            Decoding::Greedy => 0,
            Decoding::Sample { seed, .. } => seed,
        };
        Self {
            options,
            rng: ChaCha8Rng::seed_from_u64(seed),
            step: 0,
        }
    }

    /// Chooses one token per row.
    ///
    /// # Shapes
    /// - `logits`: `[batch, vocabulary]`
    pub(crate) fn choose(&mut self, logits: Tensor<2>) -> Vec<u32> {
        let logits = match self.step < self.options.min_new_tokens {
            true => without(logits, &self.options.stop_tokens),
            false => logits,
        };
        self.step += 1;
        match self.options.decoding {
            Decoding::Greedy => {
                let ids = logits.argmax(1).into_data();
                ids.iter::<i64>().map(|id| id as u32).collect()
            }
            Decoding::Sample {
                temperature,
                top_k,
                top_p,
                ..
            } => {
                let [_, vocabulary] = logits.dims();
                let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
                values
                    .chunks(vocabulary)
                    .map(|row| sample(row, temperature, top_k, top_p, &mut self.rng))
                    .collect()
            }
        }
    }
}

/// The logits with some tokens made impossible.
fn without(logits: Tensor<2>, tokens: &[u32]) -> Tensor<2> {
    let [_, vocabulary] = logits.dims();
    let mut penalty = vec![0.0_f32; vocabulary];
    for &token in tokens {
        if let Some(value) = penalty.get_mut(token as usize) {
            *value = f32::NEG_INFINITY;
        }
    }
    let penalty = TensorData::new(penalty, [1, vocabulary]);
    let device = logits.device();
    logits + Tensor::from_data(penalty, &device)
}

/// Samples an index by its probability, among the `top_k` and `top_p` most likely ones.
fn sample(logits: &[f32], temperature: f64, top_k: usize, top_p: f64, rng: &mut impl Rng) -> u32 {
    let mut ranked: Vec<(usize, f64)> = logits
        .iter()
        .enumerate()
        .map(|(id, &logit)| (id, f64::from(logit) / temperature))
        .collect();
    // Ties are ordered by id, so that the sample does not depend on the sort.
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    if top_k > 0 {
        ranked.truncate(top_k);
    }
    let largest = ranked[0].1;
    let weights: Vec<f64> = ranked.iter().map(|(_, l)| (l - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut kept = 0;
    let mut mass = 0.0;
    for weight in &weights {
        kept += 1;
        mass += weight;
        if mass >= top_p * total {
            break;
        }
    }
    let mut left = rng.random::<f64>() * mass;
    for (index, weight) in weights[..kept].iter().enumerate() {
        left -= weight;
        if left <= 0.0 {
            return ranked[index].0 as u32;
        }
    }
    ranked[kept - 1].0 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(temperature: f64, top_k: usize, top_p: f64) -> [usize; 4] {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let logits = [0.0, 2.0_f32.ln(), 4.0_f32.ln(), 0.0];
        let mut counts = [0; 4];
        for _ in 0..8000 {
            counts[sample(&logits, temperature, top_k, top_p, &mut rng) as usize] += 1;
        }
        counts
    }

    #[test]
    fn tokens_are_sampled_by_their_probability() {
        // Probabilities 1/8, 2/8, 4/8, 1/8; 8000 draws have a standard deviation below 45.
        let found = counts(1.0, 0, 1.0);
        for (found, expected) in found.into_iter().zip([1000, 2000, 4000, 1000]) {
            assert!((found as i64 - expected).abs() < 200, "{found} {expected}");
        }
    }

    #[test]
    fn top_k_top_p_and_temperature_cut_the_tail() {
        assert_eq!(counts(1.0, 1, 1.0), [0, 0, 8000, 0]);
        let nucleus = counts(1.0, 0, 0.7);
        assert!(nucleus[1] > 0 && nucleus[0] == 0 && nucleus[3] == 0);
        assert_eq!(counts(1e-3, 0, 1.0), [0, 0, 8000, 0]);
    }
}
