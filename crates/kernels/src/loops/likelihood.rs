//! The loss of predicting tokens, and its gradient.

use rayon::prelude::*;

use super::exp::exp;
use super::lanes;
use super::parallel::{rows_of_piece, vectorized};

/// `Σ -ln softmax(logits)[target]` over the rows, in nats.
///
/// # Shapes
/// - `logits`: one row of `width` numbers per target
///
/// # Panics
///
/// If a target is not below `width`.
pub fn negative_log_likelihood(logits: &[f32], width: usize, targets: &[u32]) -> f32 {
    let rows = rows_of_piece(width);
    let pieces = logits.par_chunks(rows * width.max(1));
    let losses: Vec<f32> = pieces
        .zip(targets.par_chunks(rows))
        .map(|(logits, targets)| {
            vectorized(
                #[inline(always)]
                || {
                    // A loop and no `sum` of an iterator, whose function would be compiled without the vectors.
                    let mut loss = 0.0;
                    for (row, &target) in logits.chunks_exact(width).zip(targets) {
                        loss += loss_of(row, target);
                    }
                    loss
                },
            )
        })
        .collect();
    losses.into_iter().sum()
}

/// `-ln softmax(logits)[target]` of every row, in nats.
///
/// # Shapes
/// - `logits`: one row of `width` numbers per target
///
/// # Panics
///
/// If a target is not below `width`.
pub fn token_losses(logits: &[f32], width: usize, targets: &[u32]) -> Vec<f32> {
    let rows = rows_of_piece(width);
    let mut losses = vec![0.0; targets.len()];
    let pieces = logits.par_chunks(rows * width.max(1));
    pieces
        .zip(targets.par_chunks(rows))
        .zip(losses.par_chunks_mut(rows))
        .for_each(|((logits, targets), losses)| {
            vectorized(
                #[inline(always)]
                || {
                    let pairs = logits.chunks_exact(width).zip(targets);
                    for (loss, (row, &target)) in losses.iter_mut().zip(pairs) {
                        *loss = loss_of(row, target);
                    }
                },
            );
        });
    losses
}

#[inline(always)]
fn loss_of(row: &[f32], target: u32) -> f32 {
    let largest = lanes::max(row);
    let sum = lanes::sum(row.len(), |i| exp(row[i] - largest));
    sum.ln() - (row[target as usize] - largest)
}

/// Replaces logits by the gradient of `scale ·` [`negative_log_likelihood`]: `scale (softmax(logits) - target)`.
///
/// # Shapes
/// - `logits`: one row of `width` numbers per target
///
/// # Panics
///
/// If a target is not below `width`.
pub fn negative_log_likelihood_gradient(
    logits: &mut [f32],
    width: usize,
    targets: &[u32],
    scale: f32,
) {
    let rows = rows_of_piece(width);
    let pieces = logits.par_chunks_mut(rows * width.max(1));
    pieces
        .zip(targets.par_chunks(rows))
        .for_each(|(logits, targets)| {
            vectorized(
                #[inline(always)]
                || {
                    for (row, &target) in logits.chunks_exact_mut(width).zip(targets) {
                        let largest = lanes::max(row);
                        for value in row.iter_mut() {
                            *value = exp(*value - largest);
                        }
                        let factor = scale / lanes::sum(row.len(), |i| row[i]);
                        for value in row.iter_mut() {
                            *value *= factor;
                        }
                        row[target as usize] -= scale;
                    }
                },
            );
        });
}
