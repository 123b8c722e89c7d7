//! The rows of every optimizer step.

use std::ops::Range;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Number of steps whose rows are sorted by length together.
const STEPS_PER_BUCKET: usize = 8;

/// Row indices of every step of one epoch.
///
/// Rows are shuffled and sorted by length within buckets of 8 steps. They are cut into steps of
/// `global_batch` rows (the last step may be smaller), and the steps are shuffled. So a step's rows
/// need little padding, and every row occurs once. The same seed gives the same steps.
///
/// # Panics
///
/// If `global_batch` is 0.
pub fn global_batches(lengths: &[usize], global_batch: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.shuffle(&mut rng);
    for bucket in order.chunks_mut(global_batch.saturating_mul(STEPS_PER_BUCKET)) {
        bucket.sort_by_key(|&row| lengths[row]);
    }
    let mut steps: Vec<Vec<usize>> = order.chunks(global_batch).map(<[usize]>::to_vec).collect();
    steps.shuffle(&mut rng);
    steps
}

/// Divides the rows of a step into micro-batches of at most `rows` rows and, unless it is 0, at most
/// `max_tokens` tokens, with padding unless they are packed. A row that is longer has a micro-batch of its own.
pub fn micro_batches(
    lengths: &[usize],
    rows: usize,
    max_tokens: usize,
    packed: bool,
) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut first, mut longest, mut sum) = (0, 0, 0);
    for (row, &length) in lengths.iter().enumerate() {
        let count = row + 1 - first;
        let tokens = match packed {
            true => sum + length,
            false => count * longest.max(length),
        };
        let is_over = max_tokens > 0 && tokens > max_tokens;
        if row > first && (count > rows || is_over) {
            batches.push(first..row);
            (first, longest, sum) = (row, 0, 0);
        }
        sum += length;
        longest = longest.max(length);
    }
    if first < lengths.len() {
        batches.push(first..lengths.len());
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_occurs_once_in_an_order_that_the_seed_decides() {
        let lengths: Vec<usize> = (0..301).map(|i| (i * 37) % 50).collect();
        let steps = global_batches(&lengths, 16, 3);
        let mut rows: Vec<usize> = steps.concat();
        rows.sort_unstable();
        assert_eq!(rows, (0..301).collect::<Vec<_>>());
        assert_eq!(steps.len(), 19);
        assert_eq!(steps, global_batches(&lengths, 16, 3));
        assert_ne!(steps, global_batches(&lengths, 16, 4));
    }

    #[test]
    fn micro_batches_keep_both_limits_and_every_row() {
        let lengths: Vec<usize> = (0..40).map(|i| 1 + (i * 13) % 29).collect();
        let limits = [(4, 0), (40, 64), (3, 40), (1, 0), (40, 1)];
        for (rows, tokens, packed) in limits
            .into_iter()
            .flat_map(|(rows, tokens)| [(rows, tokens, false), (rows, tokens, true)])
        {
            let batches = micro_batches(&lengths, rows, tokens, packed);
            let all: Vec<usize> = batches.iter().cloned().flatten().collect();
            assert_eq!(all, (0..40).collect::<Vec<_>>(), "{rows} {tokens}");
            for batch in batches {
                let longest = lengths[batch.clone()].iter().max().copied().unwrap_or(0);
                let held = match packed {
                    true => lengths[batch.clone()].iter().sum(),
                    false => batch.len() * longest,
                };
                let fits = tokens == 0 || held <= tokens;
                assert!(
                    batch.len() <= rows && (fits || batch.len() == 1),
                    "{batch:?}"
                );
            }
        }
        assert_eq!(micro_batches(&[5, 5, 5], 2, 0, false), [0..2, 2..3]);
        assert!(micro_batches(&[], 2, 8, true).is_empty());
    }

    #[test]
    fn rows_of_a_step_have_similar_lengths() {
        let lengths: Vec<usize> = (0..1024).map(|i| (i * 37) % 64).collect();
        let padding = |steps: &[Vec<usize>]| -> usize {
            let longest = |step: &Vec<usize>| step.iter().map(|&r| lengths[r]).max().unwrap_or(0);
            steps
                .iter()
                .map(|step| {
                    step.iter()
                        .map(|&r| longest(step) - lengths[r])
                        .sum::<usize>()
                })
                .sum()
        };
        let bucketed = padding(&global_batches(&lengths, 16, 1));
        let plain: Vec<Vec<usize>> = (0..1024)
            .collect::<Vec<_>>()
            .chunks(16)
            .map(<[_]>::to_vec)
            .collect();
        assert!(bucketed * 4 < padding(&plain), "{bucketed}");
    }
}
