//! The size of many numbers, and a factor for all of them.

use rayon::prelude::*;

use super::lanes;
use super::parallel::{rows_of_piece, vectorized};

/// Σ x²
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let pieces = values.par_chunks(rows_of_piece(1));
    let sums: Vec<f32> = pieces
        .map(|piece| {
            vectorized(
                #[inline(always)]
                || lanes::sum(piece.len(), |i| piece[i] * piece[i]),
            )
        })
        .collect();
    sums.into_iter().map(f64::from).sum()
}

/// Multiplies all numbers by a factor.
pub fn scale(values: &mut [f32], factor: f32) {
    let pieces = values.par_chunks_mut(rows_of_piece(1));
    pieces.for_each(|piece| {
        vectorized(
            #[inline(always)]
            || {
                for value in piece {
                    *value *= factor;
                }
            },
        );
    });
}
