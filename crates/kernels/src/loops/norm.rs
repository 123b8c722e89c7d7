//! RMS norm.

use rayon::prelude::*;

use super::lanes;
use super::parallel::{rows_of_piece, vectorized};

/// Writes `γ x / √(mean(x²) + ε)` over each row.
///
/// # Shapes
/// - `x`, `output`: rows of `gamma`'s length
pub fn rms_norm(x: &[f32], gamma: &[f32], epsilon: f32, output: &mut [f32]) {
    let width = gamma.len();
    if width == 0 {
        return;
    }
    let piece = rows_of_piece(width) * width;
    let pieces = output.par_chunks_mut(piece).zip(x.par_chunks(piece));
    pieces.for_each(|(output, x)| {
        vectorized(
            #[inline(always)]
            || {
                let rows = output.chunks_exact_mut(width);
                for (output, x) in rows.zip(x.chunks_exact(width)) {
                    let scale = 1.0 / size(x, epsilon);
                    for ((output, x), gamma) in output.iter_mut().zip(x).zip(gamma) {
                        *output = x * scale * gamma;
                    }
                }
            },
        );
    });
}

/// Replaces the gradient of `γ x / √(mean(x²) + ε)` by that of `x`.
///
/// # Shapes
/// - `x`, `gradient`: rows of `gamma`'s length
pub fn rms_norm_gradient(x: &[f32], gamma: &[f32], epsilon: f32, gradient: &mut [f32]) {
    let width = gamma.len();
    if width == 0 {
        return;
    }
    let piece = rows_of_piece(width) * width;
    let pieces = gradient.par_chunks_mut(piece).zip(x.par_chunks(piece));
    pieces.for_each(|(gradient, x)| {
        vectorized(
            #[inline(always)]
            || {
                let rows = gradient.chunks_exact_mut(width);
                for (g, x) in rows.zip(x.chunks_exact(width)) {
                    // With s = √(mean(x²) + ε), u = γ g and n = x / s: (u - n mean(u n)) / s.
                    let scale = 1.0 / size(x, epsilon);
                    for (g, gamma) in g.iter_mut().zip(gamma) {
                        *g *= gamma;
                    }
                    let along = lanes::sum(width, |i| g[i] * (x[i] * scale)) / width as f32;
                    for (g, x) in g.iter_mut().zip(x) {
                        *g = (*g - x * scale * along) * scale;
                    }
                }
            },
        );
    });
}

/// `√(mean(x²) + ε)`
#[inline(always)]
fn size(x: &[f32], epsilon: f32) -> f32 {
    (lanes::sum(x.len(), |i| x[i] * x[i]) / x.len() as f32 + epsilon).sqrt()
}
