//! TIES: changes are trimmed, a sign is elected for every number, and what has that sign is averaged.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

use super::{merged as map_parameters, vectors};

/// `base + scale · merged(start - base, end - base)`, computed in f32 on the host.
///
/// Each change keeps its `density` largest numbers, over all parameters together. For every number,
/// the sign with the larger sum wins; the merged number is the mean of those with that sign. A change
/// that is 0 everywhere, as before the first task, has no vote.
///
/// # References
///
/// Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", NeurIPS 2023, section 4.
/// There, the merged models are all fine-tuned from the base model; here, the second one is
/// fine-tuned from the first.
pub(super) fn merged<M: Module>(base: &M, start: &M, end: M, density: f64, scale: f64) -> M {
    let host = |module: &M| -> Vec<Vec<f32>> {
        let vectors = vectors(module).into_iter();
        vectors.map(|vector| values(&vector)).collect()
    };
    let bases = host(base);
    let change = |module: &M| -> Vec<Vec<f32>> {
        let mut change = host(module);
        for (values, base) in change.iter_mut().zip(&bases) {
            for (value, base) in values.iter_mut().zip(base) {
                *value -= base;
            }
        }
        trim(&mut change, density);
        change
    };
    let changes = change(start).into_iter().zip(change(&end));
    let mut results = bases.iter().zip(changes).map(|(base, (earlier, later))| {
        let pairs = earlier.into_iter().zip(later);
        let sums = base.iter().zip(pairs).map(|(base, (earlier, later))| {
            base + (scale * f64::from(elected_mean(earlier, later))) as f32
        });
        sums.collect::<Vec<f32>>()
    });
    map_parameters(start, end, |_, end| match results.next() {
        Some(values) => {
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), &end.device())
        }
        None => end,
    })
}

/// Numbers in f32 that [`merged`] holds on the host for every parameter: the base model's, two changes, and the sizes of
/// one of them while it is trimmed.
pub(super) const NUMBERS: usize = 4;

fn values(vector: &Tensor<1>) -> Vec<f32> {
    vector.clone().into_data().iter::<f32>().collect()
}

/// Sets all but the `density` largest numbers to 0. Numbers as large as the smallest one that is kept
/// are kept too.
fn trim(change: &mut [Vec<f32>], density: f64) {
    let mut sizes: Vec<f32> = change.iter().flatten().map(|value| value.abs()).collect();
    let kept = (density * sizes.len() as f64).ceil() as usize;
    if kept == 0 || kept >= sizes.len() {
        return;
    }
    let (_, smallest, _) = sizes.select_nth_unstable_by(kept - 1, |a, b| b.total_cmp(a));
    let smallest = *smallest;
    for value in change.iter_mut().flatten() {
        if value.abs() < smallest {
            *value = 0.0;
        }
    }
}

/// The mean of the numbers whose sign is that of their sum; 0 if they cancel.
fn elected_mean(a: f32, b: f32) -> f32 {
    let sum = a + b;
    let votes = [a, b].into_iter().filter(|value| value * sum > 0.0);
    let count = votes.clone().count().max(1);
    // From 0: the sum of no numbers is -0.
    votes.fold(0.0, |sum, vote| sum + vote) / count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_sign_wins_and_zeros_have_no_vote() {
        let cases = [
            ((3.0, 1.0), 2.0),
            ((3.0, -1.0), 3.0),
            ((-3.0, 1.0), -3.0),
            ((0.0, 5.0), 5.0),
            ((0.0, 0.0), 0.0),
            ((2.0, -2.0), 0.0),
        ];
        for ((a, b), mean) in cases {
            assert_eq!(elected_mean(a, b).to_bits(), f32::to_bits(mean), "{a} {b}");
        }
    }

    #[test]
    fn trimming_counts_over_all_parameters_together() {
        let mut change = vec![vec![0.1, -9.0, 0.2], vec![8.0, 0.3], vec![]];
        trim(&mut change, 0.4);
        assert_eq!(change, [vec![0.0, -9.0, 0.0], vec![8.0, 0.0], vec![]]);
        let all = change.clone();
        trim(&mut change, 1.0);
        assert_eq!(change, all);
    }
}
