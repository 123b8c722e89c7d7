//! Relative position biases in logarithmic buckets, and attention masks.

use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::T5Config;
use crate::layers::Branches;

/// Added to the score of a masked key. Finite, so that a row without any visible key gives unused numbers
/// instead of NaN.
const HIDDEN: f32 = -1e30;

/// Buckets of relative distances, for one stack of blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    count: usize,
    max_distance: usize,
    /// Whether a query sees keys on both sides (encoder); then each side has half of the buckets.
    both_sides: bool,
}

impl Buckets {
    pub(super) fn new(config: &T5Config, both_sides: bool) -> Self {
        Self {
            count: config.relative_attention_num_buckets,
            max_distance: config.relative_attention_max_distance,
            both_sides,
        }
    }

    /// Bucket of a key, seen from a query. Near distances have one bucket each. Farther distances share
    /// buckets that grow by a constant factor up to the longest distance.
    ///
    /// Computed in f32, like the reference: the last digit decides at the bounds of buckets.
    pub(super) fn of(&self, query: usize, key: usize) -> usize {
        let (count, first) = match self.both_sides {
            true => (self.count / 2, if key > query { self.count / 2 } else { 0 }),
            false => (self.count, 0),
        };
        let distance = match self.both_sides {
            true => key.abs_diff(query),
            false => query.saturating_sub(key),
        };
        let exact = count / 2;
        if distance < exact {
            return first + distance;
        }
        let log = |ratio: f64| ratio.ln() as f32;
        let octaves = (distance as f32 / exact as f32).ln()
            / log(self.max_distance as f64 / exact as f64)
            * (count - exact) as f32;
        first + (exact + octaves as usize).min(count - 1)
    }

    /// The learned bias of every head for `queries` positions after `past` ones, some of which may be branches.
    ///
    /// # Shapes
    /// - `table`: `[buckets, heads]`
    /// - output: `[1, heads, queries, past + queries]`
    pub(super) fn bias(
        &self,
        table: &Embedding,
        past: usize,
        queries: usize,
        branches: &Branches,
    ) -> Tensor<4> {
        let table = table.weight.val();
        let [_, heads] = table.dims();
        let keys = past + queries;
        let buckets: Vec<i32> = (past..keys)
            .flat_map(|query| (0..keys).map(move |key| (query, key)))
            .map(|(query, key)| self.of(branches.place(query), branches.place(key)) as i32)
            .collect();
        let buckets = TensorData::new(buckets, [queries * keys]);
        let buckets = Tensor::<1, Int>::from_data(buckets, &table.device());
        // Gathered per head: copying the rows of a table with few columns one by one is slow.
        table
            .transpose()
            .select(1, buckets)
            .reshape([1, heads, queries, keys])
    }
}

/// Masks the keys of right padding; `None` if no row has any.
///
/// # Shapes
/// - output: `[batch, 1, 1, tokens]`
pub(super) fn padding_mask(lengths: &[usize], tokens: usize, device: &Device) -> Option<Tensor<4>> {
    if lengths.iter().all(|&length| length == tokens) {
        return None;
    }
    let values: Vec<f32> = lengths
        .iter()
        .flat_map(|&length| (0..tokens).map(move |key| if key < length { 0.0 } else { HIDDEN }))
        .collect();
    let shape = [lengths.len(), 1, 1, tokens];
    Some(Tensor::from_data(TensorData::new(values, shape), device))
}

/// Masks the keys after each query and those of other branches; `None` for a single query.
///
/// # Shapes
/// - output: `[1, 1, queries, past + queries]`
pub(super) fn causal_mask(
    past: usize,
    queries: usize,
    branches: &Branches,
    device: &Device,
) -> Option<Tensor<4>> {
    if queries == 1 {
        return None;
    }
    let keys = past + queries;
    let values: Vec<f32> = (past..keys)
        .flat_map(|query| (0..keys).map(move |key| branches.sees(query, key)))
        .map(|sees| if sees { 0.0 } else { HIDDEN })
        .collect();
    let shape = [1, 1, queries, keys];
    Some(Tensor::from_data(TensorData::new(values, shape), device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(both_sides: bool) -> Buckets {
        Buckets {
            count: 32,
            max_distance: 128,
            both_sides,
        }
    }

    #[test]
    fn near_distances_have_their_own_buckets_and_far_ones_share() {
        let one_side = buckets(false);
        let bucket = |distance| one_side.of(distance, 0);
        assert_eq!(
            (0..16).map(bucket).collect::<Vec<_>>(),
            (0..16).collect::<Vec<_>>()
        );
        // ln(d/16) / ln(8) · 16 grows by one per factor 8^(1/16).
        assert_eq!(
            [16, 18, 19, 32, 64, 127, 128, 5000].map(bucket),
            [16, 16, 17, 21, 26, 31, 31, 31]
        );
        assert_eq!(one_side.of(3, 9), 0);
    }

    #[test]
    fn keys_after_the_query_use_the_upper_half_of_the_buckets() {
        let both = buckets(true);
        assert_eq!((both.of(5, 5), both.of(5, 4), both.of(5, 6)), (0, 1, 17));
        for distance in 1..300 {
            assert_eq!(both.of(0, distance), both.of(distance, 0) + 16);
            assert!(both.of(distance, 0) < 16);
        }
    }
}
