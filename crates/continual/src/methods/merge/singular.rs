//! DG-Hard: of a task's change, only singular values above those of noise are kept.

use std::f64::consts::PI;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use faer::Mat;
use rayon::prelude::*;

use super::{merged as map_parameters, vectors};
use crate::error::ContinualError;

/// A model whose change was repaired.
pub(super) struct Repaired<M> {
    pub model: M,
    /// Share of the singular values that were kept, over all matrices.
    pub kept: f64,
}

/// `start` with what is kept of the change of every matrix; other parameters change as they did.
///
/// A matrix keeps the singular values of its change that are above `ω(β)` times their median, `β` being
/// the ratio of its sides: the best hard threshold where the change is a low-rank matrix and white noise
/// of unknown size. Computed in f64 on the host, in parallel over the matrices.
///
/// # Errors
///
/// [`ContinualError::NoConvergence`] if a decomposition does not converge.
///
/// # References
///
/// Gavish and Donoho, "The optimal hard threshold for singular values is 4/√3", IEEE Transactions on
/// Information Theory 2014, section D; as a repair of a fine-tuned model without data: DG-Hard,
/// arXiv 2605.20296, which applies it once after training and not after every task.
pub(super) fn repaired<M: Module>(start: &M, end: M) -> Result<Repaired<M>, ContinualError> {
    let host = |tensor: Tensor<1>| tensor.into_data().iter::<f32>().collect::<Vec<f32>>();
    let pairs = vectors(start).into_iter().zip(vectors(&end));
    let changes: Vec<Vec<f32>> = pairs.map(|(start, end)| host(end - start)).collect();
    let shapes = shapes(&end);
    let layers: Vec<(&Shape, &Vec<f32>)> = shapes.iter().zip(&changes).collect();
    let repaired: Vec<Option<Threshold>> = layers
        .into_par_iter()
        .map(|(shape, change)| match shape.dims[..] {
            [rows, columns] if rows > 0 && columns > 0 => threshold(change, [rows, columns])
                .map(Some)
                .ok_or_else(|| ContinualError::NoConvergence {
                    parameter: shape.path.clone(),
                }),
            _ => Ok(None),
        })
        .collect::<Result<_, _>>()?;
    let counts = repaired.iter().flatten();
    let (kept, all) = counts.fold((0, 0), |(kept, all), layer| {
        (kept + layer.kept, all + layer.all)
    });
    let mut repaired = repaired.into_iter();
    let model = map_parameters(start, end, |start, end| match repaired.next().flatten() {
        Some(Threshold { change, .. }) => {
            let count = change.len();
            let change = TensorData::new(change, [count]);
            start + Tensor::from_data(change, &end.device())
        }
        None => end,
    });
    Ok(Repaired {
        model,
        kept: kept as f64 / all.max(1) as f64,
    })
}

/// Bytes that [`repaired`] holds on the host: all changes and what is kept of them in f32, and of as many matrices as
/// there are threads, the largest, what a decomposition takes in f64: the matrix, its copy, and the singular vectors of
/// either side.
pub(super) fn bytes<M: Module>(model: &M) -> usize {
    let shapes = shapes(model);
    let mut matrices: Vec<usize> = shapes
        .iter()
        .filter_map(|shape| match shape.dims[..] {
            [rows, columns] => Some(2 * rows * columns + (rows + columns) * rows.min(columns)),
            _ => None,
        })
        .collect();
    matrices.sort_unstable_by(|a, b| b.cmp(a));
    let numbers: usize = shapes
        .iter()
        .map(|shape| shape.dims.iter().product::<usize>())
        .sum();
    let at_a_time = matrices.iter().take(rayon::current_num_threads());
    2 * 4 * numbers + 8 * at_a_time.sum::<usize>()
}

struct Shape {
    path: String,
    dims: Vec<usize>,
}

/// Path and shape of every parameter, in the module's order.
fn shapes<M: Module>(module: &M) -> Vec<Shape> {
    #[derive(Default)]
    struct Collect {
        path: Vec<String>,
        shapes: Vec<Shape>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.shapes.push(Shape {
                path: self.path.join("."),
                dims: param.dims().to_vec(),
            });
        }
    }
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.shapes
}

/// What is kept of the change of a matrix.
struct Threshold {
    change: Vec<f32>,
    /// Number of singular values that are kept.
    kept: usize,
    /// Number of singular values.
    all: usize,
}

/// `None` if the decomposition does not converge.
fn threshold(change: &[f32], [rows, columns]: [usize; 2]) -> Option<Threshold> {
    let matrix = Mat::from_fn(rows, columns, |i, j| f64::from(change[i * columns + j]));
    let parts = matrix.thin_svd().ok()?;
    let values: Vec<f64> = parts.S().column_vector().iter().copied().collect();
    let least = factor(rows.min(columns) as f64 / rows.max(columns) as f64) * median(&values);
    let kept = values.iter().filter(|value| **value > least).count();
    let (left, right) = (parts.U(), parts.V());
    let mut result = Vec::with_capacity(change.len());
    for i in 0..rows {
        for j in 0..columns {
            let terms = (0..kept).map(|k| left[(i, k)] * values[k] * right[(j, k)]);
            result.push(terms.sum::<f64>() as f32);
        }
    }
    Some(Threshold {
        change: result,
        kept,
        all: values.len(),
    })
}

/// The median of descending numbers.
fn median(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}

/// `ω(β) = λ(β) / sqrt(μ(β))`: the threshold as a multiple of the median singular value, `μ` being the
/// median of the Marchenko-Pastur law, for `β` in `(0, 1]`.
fn factor(ratio: f64) -> f64 {
    let sum = ratio + 1.0;
    let root = (ratio * ratio + 14.0 * ratio + 1.0).sqrt();
    let threshold = (2.0 * sum + 8.0 * ratio / (sum + root)).sqrt();
    threshold / marchenko_pastur_median(ratio).sqrt()
}

/// Number of intervals of the integrals.
const INTERVALS: usize = 4000;

/// The median of the Marchenko-Pastur law `sqrt((b - x)(x - a)) / (2 π β x)` between
/// `a = (1 - sqrt(β))²` and `b = (1 + sqrt(β))²`.
fn marchenko_pastur_median(ratio: f64) -> f64 {
    let (middle, half) = (1.0 + ratio, 2.0 * ratio.sqrt());
    // With `x = middle - half cos θ`, the integrand is bounded, also where `a` is 0.
    let place = |angle: f64| middle - half * angle.cos();
    let density = |angle: f64| {
        let numerator = (half * angle.sin()).powi(2);
        match numerator {
            0.0 => 0.0,
            _ => numerator / (2.0 * PI * ratio * place(angle)),
        }
    };
    let width = PI / INTERVALS as f64;
    let mut mass = 0.0;
    for interval in 0..INTERVALS {
        let angle = (interval as f64 + 0.5) * width;
        let more = density(angle) * width;
        if mass + more >= 0.5 {
            let within = (0.5 - mass) / more;
            return place((interval as f64 + within) * width);
        }
        mass += more;
    }
    place(PI)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_factor_is_the_published_one() {
        // The reference gives 2.858 for square matrices, and a polynomial whose error is below 0.02.
        assert!((factor(1.0) - 2.858).abs() < 5e-4, "{}", factor(1.0));
        for step in 1..=20 {
            let ratio = f64::from(step) / 20.0;
            let published = ((0.56 * ratio - 0.95) * ratio + 1.82) * ratio + 1.43;
            let found = factor(ratio);
            assert!((found - published).abs() < 0.02, "{ratio}: {found}");
        }
    }

    /// Approximately normal: the sum of twelve uniform numbers has variance 1.
    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    #[test]
    fn noise_is_dropped_and_a_strong_direction_stays() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for [rows, columns] in [[40, 40], [60, 20], [20, 60]] {
            let noise: Vec<f64> = (0..rows * columns)
                .map(|_| 0.01 * normal(&mut rng))
                .collect();
            let left: Vec<f64> = (0..rows).map(|_| normal(&mut rng)).collect();
            let right: Vec<f64> = (0..columns).map(|_| normal(&mut rng)).collect();
            let change: Vec<f32> = (0..rows * columns)
                .map(|at| (noise[at] + left[at / columns] * right[at % columns]) as f32)
                .collect();
            let found = threshold(&change, [rows, columns]).unwrap();
            assert_eq!((found.kept, found.all), (1, rows.min(columns)));
            for (at, value) in found.change.iter().enumerate() {
                let exact = left[at / columns] * right[at % columns];
                // Noise of 0.01 moves the strong triplet by about as much in every entry.
                assert!((f64::from(*value) - exact).abs() < 0.05, "{value} {exact}");
            }
        }
    }

    #[test]
    fn a_change_of_nothing_stays_nothing() {
        for shape in [[3, 5], [1, 4], [4, 1], [1, 1]] {
            let found = threshold(&vec![0.0; shape[0] * shape[1]], shape).unwrap();
            assert!(found.change.iter().all(|value| *value == 0.0));
            assert_eq!(found.kept, 0);
        }
    }
}
