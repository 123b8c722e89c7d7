//! Rotary positions.

use rayon::prelude::*;

use super::parallel::{rows_of_piece, vectorized};

/// Cosines and sines of the angles: `[batch or 1, tokens, half]`.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// cos, row after row.
    pub cos: &'a [f32],
    /// sin, row after row.
    pub sin: &'a [f32],
    /// Whether every row of the batch has its own angles.
    pub per_row: bool,
    /// Whether to rotate back, as the gradient is.
    pub back: bool,
}

/// Rotates the pairs `(x[i], x[i + half])` of every head by the angles of its position, in place.
///
/// # Shapes
/// - `x`: `[batch, heads, tokens, 2 half]`, contiguous; `shape` has its first three dimensions
pub fn rotate(x: &mut [f32], shape: [usize; 3], half: usize, rotation: Rotation<'_>) {
    if half == 0 {
        return;
    }
    let [_, heads, tokens] = shape;
    let rows = rows_of_piece(2 * half);
    let pieces = x.par_chunks_mut(rows * 2 * half).enumerate();
    pieces.for_each(|(piece, x)| {
        vectorized(
            #[inline(always)]
            || {
                let sign = if rotation.back { -1.0 } else { 1.0 };
                for (row, x) in x.chunks_exact_mut(2 * half).enumerate() {
                    let row = piece * rows + row;
                    let batch = if rotation.per_row {
                        row / (heads * tokens)
                    } else {
                        0
                    };
                    let start = (batch * tokens + row % tokens) * half;
                    let cos = &rotation.cos[start..start + half];
                    let sin = &rotation.sin[start..start + half];
                    let (first, second) = x.split_at_mut(half);
                    for i in 0..half {
                        let (a, b) = (first[i], second[i]);
                        let sin = sign * sin[i];
                        first[i] = a * cos[i] - b * sin;
                        second[i] = b * cos[i] + a * sin;
                    }
                }
            },
        );
    });
}
