//! Every loop against the same formula in f64, on random shapes, and on one thread against several.
mod common;

use common::{numbers, on_any_threads, wide};
use kernels::loops::{
    AdamWStep, Bias, Moments, Rotation, negative_log_likelihood, negative_log_likelihood_gradient,
    rms_norm, rms_norm_gradient, rotate, scale, silu_gate, silu_gate_gradients, softmax_gradient,
    softmax_of_biased, sum_of_squares,
};
use proptest::prelude::*;

/// Some rounding errors of numbers near 1.
const ROUNDING: f64 = 2e-6;

fn assert_near(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1f64, |scale, x| scale.max(x.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= ROUNDING * scale, "{index}: {found} {expected}");
    }
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| (x - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|x| x / sum).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn probabilities_and_their_gradient(
        shape in [1usize..4, 1usize..4, 1usize..40],
        width in 1usize..150,
        ones in [any::<bool>(), any::<bool>(), any::<bool>()],
        biased: bool,
        seed: u64,
    ) {
        let count = shape.iter().product::<usize>();
        let scores = numbers(count * width, seed);
        let bias_shape = [0, 1, 2].map(|dim| if ones[dim] { 1 } else { shape[dim] });
        let bias = numbers(bias_shape.iter().product::<usize>() * width, seed ^ 1);
        let row_of_bias = |row: usize| {
            let index = [row / (shape[1] * shape[2]), row / shape[2] % shape[1], row % shape[2]];
            let index = [0, 1, 2].map(|dim| if ones[dim] { 0 } else { index[dim] });
            (index[0] * bias_shape[1] + index[1]) * bias_shape[2] + index[2]
        };
        let found = on_any_threads(|| {
            let mut found = scores.clone();
            let bias = biased.then_some(Bias { values: &bias, shape: bias_shape });
            softmax_of_biased(&mut found, shape, width, bias);
            found
        });
        let mut expected = Vec::new();
        for (row, scores) in wide(&scores).chunks(width).enumerate() {
            let bias = &wide(&bias)[row_of_bias(row) * width..][..width];
            let scores: Vec<f64> = scores
                .iter()
                .zip(bias)
                .map(|(score, bias)| if biased { score + bias } else { *score })
                .collect();
            expected.extend(softmax(&scores));
        }
        assert_near(&found, &expected);

        let g = numbers(count * width, seed ^ 2);
        let gradient = on_any_threads(|| {
            let mut gradient = g.clone();
            softmax_gradient(&found, &mut gradient, width);
            gradient
        });
        let mut expected = Vec::new();
        for (p, g) in wide(&found).chunks(width).zip(wide(&g).chunks(width)) {
            let along: f64 = p.iter().zip(g).map(|(p, g)| p * g).sum();
            expected.extend(p.iter().zip(g).map(|(p, g)| p * (g - along)));
        }
        assert_near(&gradient, &expected);
    }

    #[test]
    fn a_gate_and_its_gradients(count in 0usize..40_000, seed: u64) {
        let (gate, up, g) = (numbers(count, seed), numbers(count, seed ^ 1), numbers(count, seed ^ 2));
        let (output, of_gate, of_up) = on_any_threads(|| {
            let (mut output, mut of_gate, mut of_up) = (vec![0.0; count], g.clone(), vec![0.0; count]);
            silu_gate(&gate, &up, &mut output);
            silu_gate_gradients(&gate, &up, &mut of_gate, &mut of_up);
            (output, of_gate, of_up)
        });
        let mut expected = [Vec::new(), Vec::new(), Vec::new()];
        for ((gate, up), g) in wide(&gate).into_iter().zip(wide(&up)).zip(wide(&g)) {
            let sigmoid = 1.0 / (1.0 + (-gate).exp());
            expected[0].push(gate * sigmoid * up);
            expected[1].push(g * up * sigmoid * (1.0 + gate * (1.0 - sigmoid)));
            expected[2].push(g * gate * sigmoid);
        }
        assert_near(&output, &expected[0]);
        assert_near(&of_gate, &expected[1]);
        assert_near(&of_up, &expected[2]);
    }

    #[test]
    fn a_norm_and_its_gradient(rows in 0usize..40, width in 1usize..700, seed: u64) {
        let (x, gamma, g) =
            (numbers(rows * width, seed), numbers(width, seed ^ 1), numbers(rows * width, seed ^ 2));
        let epsilon = 1e-5f32;
        let (output, gradient) = on_any_threads(|| {
            let (mut output, mut gradient) = (vec![0.0; x.len()], g.clone());
            rms_norm(&x, &gamma, epsilon, &mut output);
            rms_norm_gradient(&x, &gamma, epsilon, &mut gradient);
            (output, gradient)
        });
        let gamma = wide(&gamma);
        let (mut normed, mut of_x) = (Vec::new(), Vec::new());
        for (x, g) in wide(&x).chunks(width).zip(wide(&g).chunks(width)) {
            let mean = x.iter().map(|x| x * x).sum::<f64>() / width as f64;
            let size = (mean + f64::from(epsilon)).sqrt();
            normed.extend(x.iter().zip(&gamma).map(|(x, gamma)| gamma * x / size));
            let u: Vec<f64> = g.iter().zip(&gamma).map(|(g, gamma)| g * gamma).collect();
            let along = u.iter().zip(x).map(|(u, x)| u * x / size).sum::<f64>() / width as f64;
            of_x.extend(u.iter().zip(x).map(|(u, x)| (u - x / size * along) / size));
        }
        assert_near(&output, &normed);
        // A row of one number that is nearly zero divides by nearly nothing.
        if width > 8 {
            assert_near(&gradient, &of_x);
        }
    }

    #[test]
    fn a_loss_and_its_gradient(rows in 0usize..60, width in 1usize..900, seed: u64) {
        let logits = numbers(rows * width, seed);
        let targets: Vec<u32> =
            (0..rows).map(|row| (row * 31 + seed as usize % 97) as u32 % width as u32).collect();
        let scale = 0.25f32;
        let (loss, gradient) = on_any_threads(|| {
            let mut gradient = logits.clone();
            negative_log_likelihood_gradient(&mut gradient, width, &targets, scale);
            (negative_log_likelihood(&logits, width, &targets), gradient)
        });
        let (mut expected, mut of_logits) = (0.0, Vec::new());
        for (row, &target) in wide(&logits).chunks(width).zip(&targets) {
            let mut p = softmax(row);
            expected -= p[target as usize].ln();
            p[target as usize] -= 1.0;
            of_logits.extend(p.into_iter().map(|p| p * f64::from(scale)));
        }
        assert_near(&[loss], &[expected]);
        assert_near(&gradient, &of_logits);
    }

    #[test]
    fn a_size_and_a_factor(count in 0usize..60_000, seed: u64) {
        let values = numbers(count, seed);
        let (sum, scaled) = on_any_threads(|| {
            let mut scaled = values.clone();
            scale(&mut scaled, 0.3);
            (sum_of_squares(&values), scaled)
        });
        let expected: f64 = wide(&values).iter().map(|x| x * x).sum();
        prop_assert!((sum - expected).abs() <= ROUNDING * expected);
        let expected: Vec<f64> = values.iter().map(|x| f64::from(x * 0.3)).collect();
        prop_assert_eq!(wide(&scaled), expected);
    }

    #[test]
    fn a_rotation_and_back(
        shape in [1usize..4, 1usize..5, 1usize..30],
        half in 1usize..40,
        per_row: bool,
        seed: u64,
    ) {
        let [batch, heads, tokens] = shape;
        let x = numbers(batch * heads * tokens * 2 * half, seed);
        let angles = numbers(if per_row { batch } else { 1 } * tokens * half, seed ^ 1);
        let cos: Vec<f32> = angles.iter().map(|angle| angle.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|angle| angle.sin()).collect();
        let by = |back| Rotation { cos: &cos, sin: &sin, per_row, back };
        let rotated = on_any_threads(|| {
            let mut rotated = x.clone();
            rotate(&mut rotated, shape, half, by(false));
            rotated
        });
        let mut expected = Vec::new();
        for (row, x) in wide(&x).chunks(2 * half).enumerate() {
            let batch = if per_row { row / (heads * tokens) } else { 0 };
            let angles = (batch * tokens + row % tokens) * half;
            let turn = |i: usize| (f64::from(cos[angles + i]), f64::from(sin[angles + i]));
            expected.extend((0..half).map(|i| x[i] * turn(i).0 - x[half + i] * turn(i).1));
            expected.extend((0..half).map(|i| x[half + i] * turn(i).0 + x[i] * turn(i).1));
        }
        assert_near(&rotated, &expected);
        let mut back = rotated;
        rotate(&mut back, shape, half, by(true));
        assert_near(&back, &wide(&x));
    }

    #[test]
    fn a_step_of_adamw(count in 0usize..40_000, steps in 1i32..4, seed: u64) {
        let (beta_1, beta_2, decay, rate) = (0.9f32, 0.999f32, 0.1f32, 1e-3f32);
        let start = numbers(count, seed);
        let gradients: Vec<Vec<f32>> =
            (0..steps).map(|step| numbers(count, seed ^ step as u64)).collect();
        let weight = on_any_threads(|| {
            let (mut weight, mut first, mut second) = (start.clone(), vec![0.0; count], vec![0.0; count]);
            for (step, gradient) in (1..).zip(&gradients) {
                let numbers = AdamWStep {
                    learning_rate: rate,
                    kept: 1.0 - rate * decay,
                    beta_1,
                    beta_2,
                    correction_1: 1.0 - beta_1.powi(step),
                    correction_2: 1.0 - beta_2.powi(step),
                    epsilon: 1e-8,
                };
                let moments = Moments { first: &mut first, second: &mut second };
                numbers.apply(&mut weight, gradient, moments);
            }
            weight
        });
        let [beta_1, beta_2, decay, rate] = [beta_1, beta_2, decay, rate].map(f64::from);
        let mut expected = wide(&start);
        for (index, w) in expected.iter_mut().enumerate() {
            let (mut m, mut v) = (0.0, 0.0);
            for (step, gradient) in (1..).zip(&gradients) {
                let g = f64::from(gradient[index]);
                m = beta_1 * m + (1.0 - beta_1) * g;
                v = beta_2 * v + (1.0 - beta_2) * g * g;
                let size = (v / (1.0 - beta_2.powi(step))).sqrt() + 1e-8;
                *w = *w * (1.0 - rate * decay) - rate * m / (1.0 - beta_1.powi(step)) / size;
            }
        }
        assert_near(&weight, &expected);
    }
}

#[test]
fn a_masked_key_has_no_probability() {
    let mut scores = vec![1.0, 2.0, 3.0];
    let mask = [0.0, f32::NEG_INFINITY, 0.0];
    let bias = Bias {
        values: &mask,
        shape: [1, 1, 1],
    };
    softmax_of_biased(&mut scores, [1, 1, 1], 3, Some(bias));
    assert_eq!(scores[1], 0.0);
    assert!((scores[0] + scores[2] - 1.0).abs() < 1e-6);
}

#[test]
fn no_numbers_are_no_error() {
    softmax_of_biased(&mut [], [0, 1, 1], 0, None);
    softmax_gradient(&[], &mut [], 0);
    rms_norm(&[], &[], 1e-5, &mut []);
    rotate(
        &mut [],
        [0, 0, 0],
        0,
        Rotation {
            cos: &[],
            sin: &[],
            per_row: false,
            back: false,
        },
    );
    assert_eq!(negative_log_likelihood(&[], 0, &[]), 0.0);
}
