//! Rows that the model generates itself: from random first tokens, or behind beginnings of real texts.

use lm::{Example, LanguageModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of rows that are generated at a time.
pub const ROWS_AT_A_TIME: usize = 32;

/// How large a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleSize {
    /// So many rows.
    Rows(usize),
    /// The fewest rows that have at least so many tokens together.
    Tokens(usize),
}

impl SampleSize {
    /// Number of rows if each of them has `tokens` tokens.
    pub fn rows_of(self, tokens: usize) -> usize {
        match self {
            Self::Rows(rows) => rows,
            Self::Tokens(all) => all.div_ceil(tokens.max(1)),
        }
    }

    /// What is missing after these rows.
    fn after(self, rows: &[Example]) -> Self {
        match self {
            Self::Rows(count) => Self::Rows(count.saturating_sub(rows.len())),
            Self::Tokens(all) => Self::Tokens(all.saturating_sub(tokens_of(rows))),
        }
    }

    /// The first rows that are enough; all of them if they are not.
    #[must_use]
    pub fn of(self, mut rows: Vec<Example>) -> Vec<Example> {
        let count = match self {
            Self::Rows(count) => count,
            Self::Tokens(all) => {
                let mut tokens = 0;
                let short = rows.iter().take_while(|row| {
                    let more = tokens < all;
                    tokens += row.len();
                    more
                });
                short.count()
            }
        };
        rows.truncate(count);
        rows
    }
}

/// Number of tokens of rows.
pub fn tokens_of(rows: &[Example]) -> usize {
    rows.iter().map(Example::len).sum()
}

/// How a model generates rows.
#[derive(Clone, Copy, Debug)]
pub struct Generation<'a> {
    /// How many.
    pub size: SampleSize,
    /// The length of a row in tokens; see [`own_examples`](LanguageModel::own_examples).
    pub tokens: usize,
    /// The tokens that end a text; see [`own_examples`](LanguageModel::own_examples).
    pub ends: &'a [u32],
    /// Seed of the first tokens and of the sampling.
    pub seed: u64,
}

/// Generates examples with the model itself, each from a first token drawn uniformly from a
/// vocabulary of `vocabulary` tokens.
///
/// `on_rows` receives the number of finished rows after every batch.
pub fn generated_rows<M: LanguageModel>(
    model: &M,
    vocabulary: usize,
    generation: Generation<'_>,
    on_rows: &mut dyn FnMut(usize),
) -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(generation.seed);
    let Generation { tokens, ends, .. } = generation;
    in_batches(generation, on_rows, |first, seed| {
        let first: Vec<u32> = first
            .map(|_| rng.random_range(0..vocabulary.max(1) as u32))
            .collect();
        model.own_examples(&first, tokens, ends, seed)
    })
}

/// As [`generated_rows`], but behind beginnings, which must have a token each. If there are fewer than rows are
/// wanted, they are taken again, and continued in another way.
pub fn continued_rows<M: LanguageModel>(
    model: &M,
    beginnings: &[Vec<u32>],
    generation: Generation<'_>,
    on_rows: &mut dyn FnMut(usize),
) -> Vec<Example> {
    if beginnings.is_empty() {
        return Vec::new();
    }
    let Generation { tokens, ends, .. } = generation;
    in_batches(generation, on_rows, |rows, seed| {
        let beginnings = rows.map(|row| beginnings[row % beginnings.len()].clone());
        model.continued_examples(&beginnings.collect::<Vec<_>>(), tokens, ends, seed)
    })
}

/// Collects batches until they are enough. `make` gets the numbers of the rows and a seed.
fn in_batches(
    generation: Generation<'_>,
    on_rows: &mut dyn FnMut(usize),
    mut make: impl FnMut(std::ops::Range<usize>, u64) -> Vec<Example>,
) -> Vec<Example> {
    let mut rows: Vec<Example> = Vec::new();
    for batch in 0.. {
        let missing = generation.size.after(&rows).rows_of(generation.tokens);
        let count = missing.min(ROWS_AT_A_TIME);
        if count == 0 {
            break;
        }
        let made = make(
            rows.len()..rows.len() + count,
            generation.seed.wrapping_add(batch),
        );
        // Otherwise rows without tokens would never be enough.
        if tokens_of(&made) == 0 {
            break;
        }
        on_rows(made.len());
        rows.extend(made);
    }
    generation.size.of(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tokens: usize) -> Example {
        Example::new(Vec::new(), vec![1; tokens])
    }

    fn sample(size: SampleSize, length: impl Fn(usize) -> usize) -> (Vec<usize>, Vec<usize>) {
        let mut batches = Vec::new();
        let generation = Generation {
            size,
            tokens: 10,
            ends: &[],
            seed: 0,
        };
        let mut finished = 0;
        let rows = in_batches(generation, &mut |rows| finished += rows, |rows, _| {
            batches.push(rows.len());
            rows.map(|number| row(length(number))).collect()
        });
        assert!(finished >= rows.len());
        (rows.iter().map(Example::len).collect(), batches)
    }

    #[test]
    fn as_many_tokens_as_rows_have_give_the_same_rows() {
        let (rows, batches) = sample(SampleSize::Rows(70), |_| 10);
        assert_eq!(batches, [32, 32, 6]);
        assert_eq!(
            sample(SampleSize::Tokens(700), |_| 10),
            (rows.clone(), batches.clone())
        );
        // One token more takes one row more.
        assert_eq!(sample(SampleSize::Tokens(701), |_| 10).0.len(), 71);
        assert!(sample(SampleSize::Tokens(0), |_| 10).0.is_empty());
    }

    #[test]
    fn rows_that_end_early_are_followed_by_more_until_the_tokens_are_there() {
        let (rows, _) = sample(SampleSize::Tokens(100), |number| 1 + number % 3);
        let tokens: usize = rows.iter().sum();
        assert!(tokens >= 100 && tokens - rows.last().copied().unwrap_or(0) < 100);
        let (nothing, batches) = sample(SampleSize::Tokens(100), |_| 0);
        assert!(nothing.is_empty() && batches.len() == 1);
    }

    #[test]
    fn the_first_rows_that_are_enough_are_taken() {
        let rows = || vec![row(3), row(4), row(5)];
        for (size, expected) in [
            (SampleSize::Rows(2), 2),
            (SampleSize::Rows(9), 3),
            (SampleSize::Tokens(7), 2),
            (SampleSize::Tokens(8), 3),
            (SampleSize::Tokens(90), 3),
            (SampleSize::Tokens(0), 0),
        ] {
            assert_eq!(size.of(rows()).len(), expected, "{size:?}");
        }
    }
}
