//! The probabilities of attention, and the gradient of what they are computed from.

use rayon::prelude::*;

use super::exp::exp;
use super::lanes;
use super::parallel::{rows_of_piece, vectorized};

/// What is added to the scores of attention, of shape `[batch or 1, heads or 1, queries or 1, keys]`.
#[derive(Clone, Copy, Debug)]
pub struct Bias<'a> {
    /// The numbers, row after row.
    pub values: &'a [f32],
    /// The first three dimensions; those of size 1 hold for all.
    pub shape: [usize; 3],
}

impl<'a> Bias<'a> {
    /// The row for a row of the scores, whose first three dimensions are `scores`.
    #[inline(always)]
    fn row(&self, row: usize, scores: [usize; 3], width: usize) -> &'a [f32] {
        let query = row % scores[2];
        let head = row / scores[2] % scores[1];
        let batch = row / (scores[2] * scores[1]);
        let at = |index: usize, size: usize| if size == 1 { 0 } else { index };
        let place = at(batch, self.shape[0]) * self.shape[1] + at(head, self.shape[1]);
        let place = place * self.shape[2] + at(query, self.shape[2]);
        &self.values[place * width..(place + 1) * width]
    }
}

/// Replaces scores by `softmax(scores + bias)` over each row.
///
/// # Shapes
/// - `scores`: `[batch, heads, queries, keys]`, contiguous; `shape` has its first three dimensions
pub fn softmax_of_biased(
    scores: &mut [f32],
    shape: [usize; 3],
    width: usize,
    bias: Option<Bias<'_>>,
) {
    if width == 0 {
        return;
    }
    let rows = rows_of_piece(width);
    let pieces = scores.par_chunks_mut(rows * width).enumerate();
    pieces.for_each(|(piece, scores)| {
        vectorized(
            #[inline(always)]
            || {
                for (row, scores) in scores.chunks_exact_mut(width).enumerate() {
                    if let Some(bias) = &bias {
                        let bias = bias.row(piece * rows + row, shape, width);
                        for (score, bias) in scores.iter_mut().zip(bias) {
                            *score += bias;
                        }
                    }
                    softmax(scores);
                }
            },
        );
    });
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let largest = lanes::max(row);
    for value in row.iter_mut() {
        *value = exp(*value - largest);
    }
    let scale = 1.0 / lanes::sum(row.len(), |i| row[i]);
    for value in row {
        *value *= scale;
    }
}

/// Replaces the gradient `g` of the probabilities `p` by that of the scores: `p (g - Σ p g)`, the sum over each row.
///
/// # Shapes
/// - `probabilities`, `gradient`: rows of `width` numbers, contiguous
pub fn softmax_gradient(probabilities: &[f32], gradient: &mut [f32], width: usize) {
    if width == 0 {
        return;
    }
    let piece = rows_of_piece(width) * width;
    let pieces = gradient
        .par_chunks_mut(piece)
        .zip(probabilities.par_chunks(piece));
    pieces.for_each(|(gradient, probabilities)| {
        vectorized(
            #[inline(always)]
            || {
                let rows = gradient.chunks_exact_mut(width);
                for (g, p) in rows.zip(probabilities.chunks_exact(width)) {
                    let along = lanes::sum(width, |i| g[i] * p[i]);
                    for (g, p) in g.iter_mut().zip(p) {
                        *g = (*g - along) * p;
                    }
                }
            },
        );
    });
}
