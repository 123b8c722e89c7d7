//! The curvature of the loss along the directions of one weight.

use anyhow::Result;
use burn::module::Module;
use faer::Mat;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::along::{Measured, Start, along, second_difference};
use super::directions::{Direction, Family, Place, random};
use super::weight::MovedWeight;

/// Random directions along which the rounding of the loss is measured.
const ROUNDING_DIRECTIONS: usize = 8;

/// Losses that a layer takes beside those of its directions.
pub const LOSSES_PER_LAYER: usize = 2 * ROUNDING_DIRECTIONS;

/// A step on which a loss changes by rounding alone, relative to the weight's root mean square singular value: it moves an
/// f32 weight by few units of its last place, and a curvature of 1 changes the loss by a ten-billionth.
const ROUNDING_STEP: f64 = 1e-5;

/// The first step of a set and the longest step of all, relative to the same.
const FIRST_STEP: f64 = 0.1;
const LONGEST_STEP: f64 = 1.0;

/// What was measured along one direction of a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The set of directions.
    pub family: Family,
    /// Place in the set, from 1 for the largest value.
    pub place: usize,
    /// Number of its random output direction, from 1; 0 if it has the one of its singular value.
    pub output: usize,
    /// Its singular value or eigenvalue.
    pub value: f64,
    /// See [`Measured::step`].
    pub step: f64,
    /// See [`Measured::curvature`], in nats.
    pub curvature: f64,
    /// See [`Measured::curvature_at_half`].
    pub curvature_at_half: f64,
    /// See [`Measured::slope`].
    pub slope: f64,
    /// See [`Measured::standard_error`].
    pub standard_error: f64,
}

impl Point {
    /// Where it was measured.
    pub fn at(&self) -> Place {
        Place {
            family: self.family,
            place: self.place,
            output: self.output,
        }
    }

    /// Whether everything that was measured is a number.
    pub fn is_finite(&self) -> bool {
        let found = self.measured();
        let measured = [found.step, found.curvature, found.curvature_at_half];
        let others = [found.slope, found.standard_error, self.value];
        measured
            .iter()
            .chain(&others)
            .all(|value| value.is_finite())
    }

    /// What was measured, without where.
    pub fn measured(&self) -> Measured {
        Measured {
            step: self.step,
            curvature: self.curvature,
            curvature_at_half: self.curvature_at_half,
            slope: self.slope,
            standard_error: self.standard_error,
        }
    }
}

/// Measures the curvature of `loss` along directions of a weight. `at_start` is the loss of the module as it is, in nats;
/// `on_direction` is called after every direction, and an error of it ends the measurement.
///
/// # Errors
///
/// A loss that is not finite, and the errors of `loss` and `on_direction`.
pub fn measure<M: Module>(
    weight: &MovedWeight<'_, M>,
    directions: &[Direction],
    at_start: f64,
    loss: &dyn Fn(&M) -> Result<f64>,
    on_direction: &mut dyn FnMut() -> Result<()>,
) -> Result<Vec<Point>> {
    let matrix = weight.matrix();
    let scale = root_mean_square_singular_value(&matrix);
    let start = Start {
        loss: at_start,
        rounding: rounding(weight, &matrix, ROUNDING_STEP * scale, at_start, loss)?,
        longest_step: LONGEST_STEP * scale,
    };
    let mut points: Vec<Point> = Vec::with_capacity(directions.len());
    for direction in directions {
        // Neighbours of a set need similar steps.
        let before = points.last().filter(|before| {
            (before.family, before.output) == (direction.family, direction.output_index)
        });
        let first_step = before.map_or(FIRST_STEP * scale, |before| before.step);
        let tensor = weight.tensor(direction);
        let mut loss_at = |distance: f64| loss(&weight.moved(&tensor, distance));
        let found = along(&start, first_step, &mut loss_at)?;
        points.push(Point {
            family: direction.family,
            place: direction.place,
            output: direction.output_index,
            value: direction.value,
            step: found.step,
            curvature: found.curvature,
            curvature_at_half: found.curvature_at_half,
            slope: found.slope,
            standard_error: found.standard_error,
        });
        on_direction()?;
    }
    Ok(points)
}

/// `‖W‖_F / √min(d_in, d_out)`; 1 for a weight of zeros, which has no scale of its own.
fn root_mean_square_singular_value(matrix: &Mat<f64>) -> f64 {
    let count = matrix.nrows().min(matrix.ncols()).max(1) as f64;
    match matrix.norm_l2() / count.sqrt() {
        scale if scale > 0.0 => scale,
        _ => 1.0,
    }
}

/// Root mean square of the second differences along random directions at a step that is too short for any other cause
/// than rounding, in nats.
fn rounding<M: Module>(
    weight: &MovedWeight<'_, M>,
    matrix: &Mat<f64>,
    step: f64,
    at_start: f64,
    loss: &dyn Fn(&M) -> Result<f64>,
) -> Result<f64> {
    // Any seed: rounding is the same in all directions.
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut squares = 0.0;
    for _ in 0..ROUNDING_DIRECTIONS {
        let direction = random([matrix.nrows(), matrix.ncols()], &mut generator);
        let tensor = weight.tensor(&direction);
        let mut loss_at = |distance: f64| loss(&weight.moved(&tensor, distance));
        squares += second_difference(at_start, step, &mut loss_at)?.powi(2);
    }
    Ok((squares / ROUNDING_DIRECTIONS as f64).sqrt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::directions::Choice;
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device, Tensor, TensorData};
    use rand::RngExt;

    fn numbers(count: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
        (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn tensor(values: &[f64], shape: [usize; 2], dtype: DType) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::from_data(data, (&Device::flex(), dtype))
    }

    /// Half the mean squared error of a linear layer whose outputs count with different weights: its Hessian is
    /// `Σ ⊗ diag(h)`, so that the curvature along `u vᵀ` is `(uᵀ Σ u) (vᵀ diag(h) v)`, whatever the layer's weight.
    struct Quadratic {
        layer: Linear,
        x: Vec<f64>,
        h: Vec<f64>,
        target: Vec<f64>,
        shape: [usize; 3],
    }

    impl Quadratic {
        fn new(shape: [usize; 3], seed: u64, dtype: DType) -> Self {
            let [rows, d_in, d_out] = shape;
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let config = LinearConfig::new(d_in, d_out).with_bias(false);
            let mut layer = config.init(&Device::flex());
            let weight = tensor(&numbers(d_in * d_out, &mut random), [d_in, d_out], dtype);
            layer.weight = layer.weight.map(|_| weight);
            // Columns of very different size, so that the moment has large and small eigenvalues.
            let mut x = numbers(rows * d_in, &mut random);
            for (index, value) in x.iter_mut().enumerate() {
                *value *= 0.5_f64.powi((index % d_in) as i32);
            }
            Self {
                layer,
                x,
                h: (0..d_out).map(|j| 1.0 + j as f64).collect(),
                target: numbers(rows * d_out, &mut random),
                shape,
            }
        }

        fn moment(&self) -> Mat<f64> {
            let [rows, d_in, _] = self.shape;
            let x = Mat::from_fn(rows, d_in, |i, j| self.x[i * d_in + j]);
            faer::Scale(1.0 / rows as f64) * (x.transpose() * &x)
        }

        /// The layer's outputs as the backend computes them; everything else on the host.
        fn loss(&self, layer: &Linear) -> f64 {
            let [rows, d_in, d_out] = self.shape;
            let x = tensor(&self.x, [rows, d_in], layer.weight.dtype());
            let y: Vec<f64> = layer.forward(x).into_data().iter::<f64>().collect();
            let squares = y.iter().zip(&self.target).enumerate();
            let squares = squares.map(|(index, (y, t))| self.h[index % d_out] * (y - t).powi(2));
            0.5 * squares.sum::<f64>() / rows as f64
        }

        /// The curvature along a direction by its formula.
        fn exact(&self, direction: &Direction) -> f64 {
            let moment = self.moment();
            let u = &direction.input;
            let pairs = (0..u.len()).flat_map(|i| (0..u.len()).map(move |j| (i, j)));
            let inputs: f64 = pairs.map(|(i, j)| u[i] * moment[(i, j)] * u[j]).sum();
            let outputs = direction.output.iter().zip(&self.h);
            inputs * outputs.map(|(v, h)| h * v * v).sum::<f64>()
        }

        /// All points with the exact curvature beside each.
        fn measured(&self, seed: u64) -> Vec<(Point, f64)> {
            let weight = MovedWeight::new(&self.layer, self.layer.weight.id).unwrap();
            let choice = Choice {
                directions: 6,
                outputs: 2,
                seed,
            };
            let directions = choice.of(&weight.matrix(), &self.moment()).unwrap();
            let loss = |layer: &Linear| Ok(self.loss(layer));
            let start = self.loss(&self.layer);
            let points = measure(&weight, &directions, start, &loss, &mut || Ok(())).unwrap();
            assert_eq!(points.len(), directions.len());
            let exact = directions.iter().map(|direction| self.exact(direction));
            points.into_iter().zip(exact).collect()
        }
    }

    #[test]
    fn a_quadratic_loss_has_the_curvature_of_its_hessian() {
        for (shape, seed) in [
            ([9, 4, 5], 1),
            ([20, 7, 3], 2),
            ([6, 2, 2], 3),
            ([30, 8, 8], 4),
        ] {
            let quadratic = Quadratic::new(shape, seed, DType::F64);
            for (point, exact) in quadratic.measured(seed) {
                let found = point.measured();
                // Losses round to 1e-16 of their size and second differences are 1e-6 of it, but for directions whose
                // longest step changes less: four standard errors of the rounding that was measured.
                let bound = 1e-8 * exact + 4.0 * found.standard_error;
                assert!(
                    (found.curvature - exact).abs() <= bound,
                    "{exact}: {point:?}"
                );
            }
        }
    }

    #[test]
    fn in_f32_the_error_is_the_standard_error_that_is_reported() {
        let quadratic = Quadratic::new([40, 6, 6], 5, DType::F32);
        let points = quadratic.measured(5);
        let deviations = points.iter().map(|(point, exact)| {
            let found = point.measured();
            // The weight itself rounds too: by 1e-7 of its size, which is about that of a step.
            let error = (found.curvature - exact).abs() - 1e-5 * exact;
            error / found.standard_error
        });
        let worst = deviations.fold(0.0, f64::max);
        // Ten rather than four: the rounding is estimated from eight differences of a small layer.
        assert!(worst < 10.0, "{worst}");
        let resolved = points
            .iter()
            .filter(|(point, _)| point.measured().is_resolved());
        assert!(resolved.count() > points.len() / 2);
    }

    #[test]
    fn the_eigenvalue_orders_what_the_singular_value_does_not() {
        use super::super::rank::spearman;
        let quadratic = Quadratic::new([60, 8, 8], 6, DType::F64);
        let points = quadratic.measured(6);
        let order = |family: Family, output: usize| {
            let of = points.iter().map(|(point, _)| point);
            let of = of.filter(|point| (point.family, point.output) == (family, output));
            let pairs: Vec<(f64, f64)> = of.map(|point| (point.value, point.curvature)).collect();
            spearman(&pairs).unwrap()
        };
        // With one output direction the curvature is the eigenvalue times a constant.
        assert_eq!(order(Family::Inputs, 1), 1.0);
        assert!(order(Family::Singular, 0) < 0.9);
    }

    #[test]
    fn a_measurement_ends_at_the_first_error() {
        let quadratic = Quadratic::new([5, 3, 3], 7, DType::F64);
        let weight = MovedWeight::new(&quadratic.layer, quadratic.layer.weight.id).unwrap();
        let mut random_source = ChaCha8Rng::seed_from_u64(1);
        let directions: Vec<Direction> =
            (0..3).map(|_| random([3, 3], &mut random_source)).collect();
        let loss = |layer: &Linear| Ok(quadratic.loss(layer));
        let start = quadratic.loss(&quadratic.layer);
        let mut left = 2;
        let stopped = measure(&weight, &directions, start, &loss, &mut || {
            left -= 1;
            anyhow::ensure!(left > 0, "stopped");
            Ok(())
        });
        assert_eq!(stopped.unwrap_err().to_string(), "stopped");
        assert_eq!(left, 0);
    }
}
