//! The gate of a feed-forward network.

use rayon::prelude::*;

use super::exp::sigmoid;
use super::parallel::{rows_of_piece, vectorized};

/// Writes `silu(gate) · up`.
///
/// # Shapes
/// - all of one length
pub fn silu_gate(gate: &[f32], up: &[f32], output: &mut [f32]) {
    let piece = rows_of_piece(1);
    let pieces = output.par_chunks_mut(piece);
    let pieces = pieces.zip(gate.par_chunks(piece)).zip(up.par_chunks(piece));
    pieces.for_each(|((output, gate), up)| {
        vectorized(
            #[inline(always)]
            || {
                for ((output, gate), up) in output.iter_mut().zip(gate).zip(up) {
                    *output = gate * sigmoid(*gate) * up;
                }
            },
        );
    });
}

/// Replaces the gradient of `silu(gate) · up` by that of `gate`, and writes that of `up`.
///
/// # Shapes
/// - all of one length
pub fn silu_gate_gradients(gate: &[f32], up: &[f32], gradient: &mut [f32], of_up: &mut [f32]) {
    let piece = rows_of_piece(1);
    let written = gradient
        .par_chunks_mut(piece)
        .zip(of_up.par_chunks_mut(piece));
    let pieces = written.zip(gate.par_chunks(piece).zip(up.par_chunks(piece)));
    pieces.for_each(|((gradient, of_up), (gate, up))| {
        vectorized(
            #[inline(always)]
            || {
                let written = gradient.iter_mut().zip(of_up);
                for ((g, of_up), (gate, up)) in written.zip(gate.iter().zip(up)) {
                    let sigmoid = sigmoid(*gate);
                    let silu = gate * sigmoid;
                    *of_up = silu * *g;
                    // silu' = σ + silu (1 - σ) = σ + silu - silu σ
                    *g *= (sigmoid + silu - silu * sigmoid) * up;
                }
            },
        );
    });
}
