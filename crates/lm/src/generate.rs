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

impl Decoding {
    /// The same for one of several batches, which are counted from 0: with the same seed, all would draw alike.
    #[must_use]
    pub fn of_batch(self, number: usize) -> Self {
        match self {
            Self::Greedy => Self::Greedy,
            Self::Sample {
                temperature,
                top_k,
                top_p,
                seed,
            } => Self::Sample {
                temperature,
                top_k,
                top_p,
                seed: seed.wrapping_add(number as u64),
            },
        }
    }
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

/// So many of the most likely tokens are ranked before the others: they nearly always hold the sample.
const RANKED_FIRST: usize = 64;

/// Samples an index by its probability, among the `top_k` and `top_p` most likely ones.
fn sample(logits: &[f32], temperature: f64, top_k: usize, top_p: f64, rng: &mut impl Rng) -> u32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest) / temperature;
    let weigh = |(id, &logit): (usize, &f32)| {
        let weight = (f64::from(logit) / temperature - largest).exp();
        (id, f64::from(logit), weight)
    };
    let mut tokens = Ranking {
        tokens: logits.iter().enumerate().map(weigh).collect(),
        ranked: 0,
    };
    if top_k > 0 && top_k < tokens.tokens.len() {
        tokens.rank(top_k);
        tokens.tokens.truncate(top_k);
    }
    let total: f64 = tokens.tokens.iter().map(|(_, _, weight)| weight).sum();
    let mut mass = total;
    if top_p < 1.0 {
        mass = 0.0;
        let mut kept = 0;
        while kept < tokens.tokens.len() && mass < top_p * total {
            mass += tokens.at(kept).1;
            kept += 1;
        }
        tokens.tokens.truncate(kept);
    }
    let mut left = rng.random::<f64>() * mass;
    let mut chosen = 0;
    for rank in 0..tokens.tokens.len() {
        let (id, weight) = tokens.at(rank);
        chosen = id;
        left -= weight;
        if left <= 0.0 {
            break;
        }
    }
    chosen as u32
}

/// Tokens, the most likely first as far as they are ranked.
struct Ranking {
    /// Id, logit and weight of each.
    tokens: Vec<(usize, f64, f64)>,
    ranked: usize,
}

impl Ranking {
    /// The id and the weight of the token at a rank.
    fn at(&mut self, rank: usize) -> (usize, f64) {
        if rank >= self.ranked {
            let count = match self.ranked {
                0 => RANKED_FIRST,
                _ => self.tokens.len(),
            };
            self.rank(count);
        }
        let (id, _, weight) = self.tokens[rank];
        (id, weight)
    }

    /// Ranks the `count` most likely tokens, of which none is ranked yet or [`RANKED_FIRST`] are.
    fn rank(&mut self, count: usize) {
        // Ties are ordered by id, so that the sample does not depend on the sort.
        let order =
            |a: &(usize, f64, f64), b: &(usize, f64, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let rest = &mut self.tokens[self.ranked..];
        let wanted = count.saturating_sub(self.ranked).min(rest.len());
        if wanted < rest.len() {
            rest.select_nth_unstable_by(wanted, order);
        }
        rest[..wanted].sort_unstable_by(order);
        self.ranked += wanted;
    }
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
    fn a_sample_is_the_one_of_a_full_ranking() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for (vocabulary, top_k, top_p) in [
            (1, 0, 1.0),
            (64, 0, 1.0),
            (65, 0, 1.0),
            (700, 0, 1.0),
            (700, 300, 1.0),
            (700, 0, 0.9),
            (700, 80, 0.99),
            (700, 64, 0.5),
        ] {
            for seed in 0..40 {
                // Few different values, so that there are ties; a flat distribution reaches far down.
                let mut logit = || random.random_range(0..9) as f32 / 4.0;
                let logits: Vec<f32> = (0..vocabulary).map(|_| logit()).collect();
                let found = sample(
                    &logits,
                    1.5,
                    top_k,
                    top_p,
                    &mut ChaCha8Rng::seed_from_u64(seed),
                );

                let mut ids: Vec<usize> = (0..vocabulary).collect();
                ids.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
                if top_k > 0 {
                    ids.truncate(top_k);
                }
                let weight = |id: usize| (f64::from(logits[id]) / 1.5).exp();
                let total: f64 = ids.iter().map(|&id| weight(id)).sum();
                let mut mass = 0.0;
                let enough = ids.iter().position(|&id| {
                    mass += weight(id);
                    mass >= top_p * total * (1.0 - 1e-12)
                });
                ids.truncate(enough.map_or(ids.len(), |last| last + 1));
                let mass: f64 = ids.iter().map(|&id| weight(id)).sum();
                let mut left = ChaCha8Rng::seed_from_u64(seed).random::<f64>() * mass;
                let expected = ids.iter().find(|&&id| {
                    left -= weight(id);
                    left <= 0.0
                });
                assert_eq!(
                    Some(found as usize),
                    expected.copied(),
                    "{vocabulary} {top_k} {top_p}"
                );
            }
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
