//! Rotary position embeddings in the half-split layout of Hugging Face checkpoints.

use burn::tensor::{Device, Tensor, TensorData};

use super::parts::{RotaryScaling, Rotation};
use crate::ops::rotate;

/// Cosines and sines for the positions of a batch.
///
/// Burn's own `RotaryEncoding` rotates interleaved pairs. It would need permuted rows in the query and key
/// weights; with this layout the weights stay as in the checkpoint.
#[derive(Clone)]
pub(crate) struct Rope {
    /// `[batch or 1, 1, tokens, rotated / 2]`
    cos: Tensor<4>,
    /// Same shape as `cos`.
    sin: Tensor<4>,
}

impl Rope {
    /// Tables for `positions`: one list per row of the batch, or one list for all rows.
    pub(crate) fn new(rotation: &Rotation, positions: &[Vec<usize>], device: &Device) -> Self {
        let frequencies = frequencies(rotation);
        let tokens = positions.first().map_or(0, Vec::len);
        let shape = [positions.len(), 1, tokens, frequencies.len()];
        let table = |function: fn(f32) -> f32| {
            let mut values = Vec::with_capacity(shape.iter().product());
            for &position in positions.iter().flatten() {
                // In f32, like the reference.
                values.extend(frequencies.iter().map(|f| function(position as f32 * f)));
            }
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self {
            cos: table(f32::cos),
            sin: table(f32::sin),
        }
    }

    /// Rotates the leading coordinates of queries or keys; those behind them stay as they are.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, heads, tokens, head_dim]`
    pub(crate) fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let (rotated, width) = (2 * self.cos.dims()[3], x.dims()[3]);
        if rotated == width {
            return rotate(x, &self.cos, &self.sin);
        }
        let first = rotate(x.clone().narrow(3, 0, rotated), &self.cos, &self.sin);
        Tensor::cat(vec![first, x.narrow(3, rotated, width - rotated)], 3)
    }
}

/// Rotation in radians per position, for every pair of coordinates.
///
/// # References
///
/// `_compute_llama3_parameters` of transformers: LLaMA 3.1's scaling keeps high frequencies, divides low ones
/// by `factor` and blends between them.
fn frequencies(rotation: &Rotation) -> Vec<f32> {
    let Rotation {
        base,
        width,
        scaling,
    } = *rotation;
    let plain = (0..width / 2).map(|i| {
        let exponent = (2 * i) as f32 / width as f32;
        1.0 / (base as f32).powf(exponent)
    });
    match scaling {
        RotaryScaling::Llama3 {
            factor,
            low,
            high,
            original,
        } => plain
            .map(|frequency| {
                let wavelength = 2.0 * std::f64::consts::PI / f64::from(frequency);
                let f = f64::from(frequency);
                let scaled = if wavelength < original / high {
                    f
                } else if wavelength > original / low {
                    f / factor
                } else {
                    let smooth = (original / wavelength - low) / (high - low);
                    (1.0 - smooth) * f / factor + smooth * f
                };
                scaled as f32
            })
            .collect(),
        RotaryScaling::Linear { factor } => plain.map(|f| f / factor as f32).collect(),
        RotaryScaling::None => plain.collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;

    #[test]
    fn a_part_of_a_head_is_rotated_as_a_narrower_head_and_the_rest_stays() {
        let device = Device::flex();
        let rotation = Rotation {
            base: 50.0,
            width: 4,
            scaling: RotaryScaling::None,
        };
        let rope = Rope::new(&rotation, &[vec![0, 3, 7]], &device);
        let numbers = (0..2 * 3 * 6).map(|n| (n as f32).sin());
        let data = TensorData::new(numbers.collect::<Vec<f32>>(), [1, 2, 3, 6]);
        let head = Tensor::<4>::from_data(data, &device);
        let values = |x: Tensor<4>| x.into_data().try_to_vec::<f32>().unwrap();
        let part = |x: &Tensor<4>, start, width| values(x.clone().narrow(3, start, width));

        let rotated = rope.rotate(head.clone());
        assert_eq!(part(&rotated, 4, 2), part(&head, 4, 2));
        let narrower = rope.rotate(head.clone().narrow(3, 0, 4));
        assert_eq!(part(&rotated, 0, 4), values(narrower));
        assert_ne!(part(&rotated, 0, 4), part(&head, 0, 4));
    }
}
