//! The rows of every optimizer step.

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
    for bucket in order.chunks_mut(global_batch * STEPS_PER_BUCKET) {
        bucket.sort_by_key(|&row| lengths[row]);
    }
    let mut steps: Vec<Vec<usize>> = order.chunks(global_batch).map(<[usize]>::to_vec).collect();
    steps.shuffle(&mut rng);
    steps
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
