//! A step of AdamW in one pass.

use rayon::prelude::*;

use super::parallel::{rows_of_piece, vectorized};

/// The numbers of a step, as Burn's `AdamW` computes them: every result is the same to the last bit.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate.
    pub learning_rate: f32,
    /// Factor of the weight: 1 - learning rate · weight decay.
    pub kept: f32,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// 1 - `beta_1`ᵗ for step t, from 1.
    pub correction_1: f32,
    /// 1 - `beta_2`ᵗ.
    pub correction_2: f32,
    /// Stabilizer.
    pub epsilon: f32,
}

/// Moving averages of a parameter's gradient; zeros before the first step.
#[derive(Debug)]
pub struct Moments<'a> {
    /// Of the gradient.
    pub first: &'a mut [f32],
    /// Of its square.
    pub second: &'a mut [f32],
}

impl AdamWStep {
    /// Moves a parameter and its moments.
    ///
    /// # Shapes
    /// - all of one length
    pub fn apply(&self, weight: &mut [f32], gradient: &[f32], moments: Moments<'_>) {
        let piece = rows_of_piece(1);
        let step = *self;
        let moments = moments
            .first
            .par_chunks_mut(piece)
            .zip(moments.second.par_chunks_mut(piece));
        let numbers = weight.par_chunks_mut(piece).zip(gradient.par_chunks(piece));
        numbers
            .zip(moments)
            .for_each(|((weight, gradient), (first, second))| {
                vectorized(
                    #[inline(always)]
                    || {
                        let (rest_1, rest_2) = (1.0 - step.beta_1, 1.0 - step.beta_2);
                        let numbers = weight.iter_mut().zip(gradient);
                        for ((w, g), (m, v)) in numbers.zip(first.iter_mut().zip(second)) {
                            *m = *m * step.beta_1 + g * rest_1;
                            *v = *v * step.beta_2 + g * g * rest_2;
                            let size = (*v / step.correction_2).sqrt() + step.epsilon;
                            let delta = *m / step.correction_1 / size;
                            *w = *w * step.kept - delta * step.learning_rate;
                        }
                    },
                );
            });
    }
}
