//! The tokens of a pass as a moment sums them: first tokens apart, lengths changed.

use burn::tensor::{Int, Tensor, TensorData};

use super::Calibrator;
use crate::config::MomentConfig;

/// The inputs of one pass.
pub(crate) struct Tokens {
    /// Those that are summed, `[n, d]`.
    pub summed: Tensor<2>,
    /// Those of the rows' first tokens, by their position in the row, each `[rows, d]`.
    pub first: Vec<Tensor<2>>,
    /// Sum of the lengths that the summed inputs had, if they were all given the length 1.
    pub lengths: f64,
}

/// The number of tokens of every row that a pass is over.
pub(crate) type Rows = Option<Vec<usize>>;

/// Tells the tokens of a pass apart, and changes their lengths. `None` if the first tokens are to be told apart
/// and the rows are not those of the inputs.
///
/// # Shapes
/// - `input`: `[n, d]`, row after row
pub(crate) fn prepared(input: Tensor<2>, moment: &MomentConfig, rows: &Rows) -> Option<Tokens> {
    let (input, own_lengths) = match moment.tokens.is_own() {
        true => (input, None),
        false => {
            let (unit, lengths) = of_unit_length(input);
            (unit, Some(lengths))
        }
    };
    let sum = |lengths: Vec<f64>| lengths.iter().sum();
    if moment.skip_first == 0 {
        return Some(Tokens {
            summed: input,
            first: Vec::new(),
            lengths: own_lengths.map_or(0.0, sum),
        });
    }
    let rows = rows.as_ref()?;
    if rows.iter().sum::<usize>() != input.dims()[0] {
        return None;
    }
    let longest = rows.iter().copied().max().unwrap_or(0);
    let mut first = vec![Vec::new(); moment.skip_first.min(longest)];
    let mut others = Vec::new();
    let mut start = 0;
    for &length in rows {
        for position in 0..length {
            match first.get_mut(position) {
                Some(of_position) => of_position.push(start + position),
                None => others.push(start + position),
            }
        }
        start += length;
    }
    let lengths = own_lengths.map_or(0.0, |lengths| {
        sum(others.iter().map(|&token| lengths[token]).collect())
    });
    Some(Tokens {
        first: first.iter().map(|tokens| chosen(&input, tokens)).collect(),
        summed: chosen(&input, &others),
        lengths,
    })
}

/// Every row divided by its length, and the lengths. A row of zeros stays zero.
///
/// # Shapes
/// - `input` and output: `[n, d]`
fn of_unit_length(input: Tensor<2>) -> (Tensor<2>, Vec<f64>) {
    // Relative to the largest entry, whose square may leave the range of f32.
    let largest = input.clone().abs().max_dim(1);
    let relative = input / largest.clone().clamp_min(f32::MIN_POSITIVE);
    let length = relative.clone().square().sum_dim(1).sqrt();
    let unit = relative / length.clone().clamp_min(f32::MIN_POSITIVE);
    let numbers = |column: Tensor<2>| column.into_data().iter::<f64>().collect::<Vec<_>>();
    let lengths = numbers(largest).into_iter().zip(numbers(length));
    (unit, lengths.map(|(a, b)| a * b).collect())
}

fn chosen(input: &Tensor<2>, tokens: &[usize]) -> Tensor<2> {
    if tokens.is_empty() {
        return input.clone().slice([0..0, 0..input.dims()[1]]);
    }
    let places: Vec<i64> = tokens.iter().map(|&token| token as i64).collect();
    let places = TensorData::new(places, [tokens.len()]);
    let places = Tensor::<1, Int>::from_data(places, &input.device());
    input.clone().select(0, places)
}

impl Calibrator {
    /// Sums the inputs in this way; the default is the plain mean over all tokens.
    pub fn with_moment(mut self, moment: MomentConfig) -> Self {
        self.moment = moment;
        self
    }

    /// Announces the rows that the next inputs are of, by their numbers of tokens: all inputs up to the next
    /// announcement are of such rows, one after the other. Only
    /// [`skip_first`](MomentConfig::skip_first) needs it.
    pub fn begin_rows(&mut self, lengths: &[usize]) {
        self.rows = Some(lengths.to_vec());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::config::TokenLength;
    use crate::linalg::to_host;

    fn tensor(values: &[f32], width: usize) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [values.len() / width, width]);
        Tensor::from_data(data, &Device::flex())
    }

    proptest! {
        #[test]
        fn every_token_is_summed_or_among_the_first_of_its_row(
            rows in prop::collection::vec(0usize..5, 0..6),
            skip_first in 1usize..4,
        ) {
            let count: usize = rows.iter().sum();
            // The number of the token, and its position in its row.
            let positions = rows.iter().flat_map(|&length| 0..length);
            let values = positions.clone().enumerate().flat_map(|(token, position)| {
                [token as f32, position as f32]
            });
            let input = tensor(&values.collect::<Vec<_>>(), 2);
            let moment = MomentConfig::default().with_skip_first(skip_first);
            let tokens = prepared(input, &moment, &Some(rows.clone())).unwrap();
            let summed = to_host(&tokens.summed);
            let expected: Vec<f64> = positions
                .enumerate()
                .filter(|(_, position)| *position >= skip_first)
                .map(|(token, _)| token as f64)
                .collect();
            let found: Vec<f64> = (0..summed.nrows()).map(|i| summed[(i, 0)]).collect();
            prop_assert_eq!(found, expected);
            let mut all = summed.nrows();
            for (position, first) in tokens.first.iter().enumerate() {
                let first = to_host(first);
                prop_assert!((0..first.nrows()).all(|i| first[(i, 1)] == position as f64));
                all += first.nrows();
            }
            prop_assert_eq!(all, count);
        }
    }

    #[test]
    fn rows_that_are_not_those_of_the_inputs_are_refused() {
        let moment = MomentConfig::default().with_skip_first(1);
        let input = || tensor(&[1.0, 2.0, 3.0], 1);
        assert!(prepared(input(), &moment, &None).is_none());
        assert!(prepared(input(), &moment, &Some(vec![1, 1])).is_none());
        assert!(prepared(input(), &moment, &Some(vec![1, 2])).is_some());
        assert!(prepared(input(), &MomentConfig::default(), &None).is_some());
    }

    #[test]
    fn inputs_of_any_size_have_the_length_one_and_zeros_stay_zero() {
        let moment = MomentConfig::default().with_tokens(TokenLength::Unit);
        let input = tensor(&[3e30, 4e30, 0.0, 0.0, -3e-30, 4e-30], 2);
        let tokens = prepared(input, &moment, &None).unwrap();
        let found = to_host(&tokens.summed);
        for (index, expected) in [[0.6, 0.8], [0.0, 0.0], [-0.6, 0.8]].iter().enumerate() {
            for (column, expected) in expected.iter().enumerate() {
                // A few roundings of f32.
                assert!((found[(index, column)] - expected).abs() < 1e-6);
            }
        }
        assert!((tokens.lengths / 5e30 - 1.0).abs() < 1e-6);
    }
}
