//! The directions along which the loss is measured: singular directions of a weight, and eigen-directions of the second
//! moment of its inputs.

use std::f64::consts::TAU;

use anyhow::{Context, Result, ensure};
use faer::{Mat, MatRef, Side};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A set of directions of one weight, ordered by what is said to be large where the curvature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// `uᵢ vᵢᵀ` of the weight's singular value decomposition, by singular value.
    Singular,
    /// `eᵢ wᵀ` with the eigenvectors of the inputs' second moment and a random output direction, by eigenvalue.
    Inputs,
    /// `uᵢ wᵀ` with the same output directions as `Inputs`, by singular value.
    SingularInputs,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 3] = [Self::Singular, Self::Inputs, Self::SingularInputs];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Singular => "singular",
            Self::Inputs => "inputs",
            Self::SingularInputs => "singular inputs",
        }
    }
}

/// A matrix of rank one and norm one, `input · outputᵀ`.
#[derive(Clone, Debug)]
pub struct Direction {
    /// The set that it is of.
    pub family: Family,
    /// Its place in the set, from 1 for the largest value.
    pub place: usize,
    /// Which of the random output directions it has, from 1; 0 for the one of its singular value.
    pub output_index: usize,
    /// Its singular value or eigenvalue.
    pub value: f64,
    /// Unit vector, `[d_in]`.
    pub input: Vec<f64>,
    /// Unit vector, `[d_out]`.
    pub output: Vec<f64>,
}

/// Where a direction is among those of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The set that it is of.
    pub family: Family,
    /// Its place in the set, from 1 for the largest value.
    pub place: usize,
    /// Which of the random output directions it has, from 1; 0 for the one of its singular value.
    pub output: usize,
}

/// How many directions are taken, and with which output directions.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Directions of every set, at most.
    pub directions: usize,
    /// Random output directions, shared by all directions that have a random one.
    pub outputs: usize,
    /// Seed of the output directions.
    pub seed: u64,
}

impl Choice {
    /// The directions of a weight, set by set; within a set, those that share an output direction follow each other,
    /// largest value first.
    ///
    /// # Shapes
    /// - `weight`: `[d_in, d_out]`
    /// - `second_moment`: `[d_in, d_in]`
    ///
    /// # Errors
    ///
    /// Values that are not finite, and decompositions that do not converge.
    pub fn of(&self, weight: &Mat<f64>, second_moment: &Mat<f64>) -> Result<Vec<Direction>> {
        ensure!(
            weight.is_all_finite() && second_moment.is_all_finite(),
            "weight or inputs are not finite"
        );
        let singular = weight.thin_svd().ok();
        let singular = singular.context("the weight's singular values do not converge")?;
        let eigen = second_moment.self_adjoint_eigen(Side::Lower).ok();
        let eigen =
            eigen.context("the eigenvalues of the inputs' second moment do not converge")?;

        let values: Vec<f64> = singular.S().column_vector().iter().copied().collect();
        let ascending: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
        let last = ascending.len() - 1;
        let outputs = self.random_outputs(weight.ncols());

        let found = self.places([weight.nrows(), weight.ncols()]).into_iter();
        let found = found.map(
            |Place {
                 family,
                 place,
                 output,
             }| {
                let index = place - 1;
                let (value, input) = match family {
                    // Below 0 by rounding alone.
                    Family::Inputs => (
                        ascending[last - index].max(0.0),
                        column(eigen.U(), last - index),
                    ),
                    Family::Singular | Family::SingularInputs => {
                        (values[index], column(singular.U(), index))
                    }
                };
                Direction {
                    family,
                    place,
                    output_index: output,
                    value,
                    input,
                    output: match output {
                        0 => column(singular.V(), index),
                        number => outputs[number - 1].clone(),
                    },
                }
            },
        );
        Ok(found.collect())
    }

    /// Where the directions of a weight of this shape are, in the order of [`of`](Self::of).
    pub fn places(&self, [d_in, d_out]: [usize; 2]) -> Vec<Place> {
        let mut found = Vec::new();
        for family in Family::ALL {
            let count = match family {
                Family::Inputs => d_in,
                Family::Singular | Family::SingularInputs => d_in.min(d_out),
            };
            let outputs = match family {
                Family::Singular => 0..=0,
                Family::Inputs | Family::SingularInputs => 1..=self.outputs,
            };
            for output in outputs {
                let places = log_spaced(count, self.directions).into_iter();
                found.extend(places.map(|index| Place {
                    family,
                    place: index + 1,
                    output,
                }));
            }
        }
        found
    }

    /// Number of directions of a weight of this shape.
    pub fn count(&self, [d_in, d_out]: [usize; 2]) -> usize {
        let singular = d_in.min(d_out).min(self.directions);
        singular * (1 + self.outputs) + d_in.min(self.directions) * self.outputs
    }

    fn random_outputs(&self, dimension: usize) -> Vec<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let outputs = (0..self.outputs).map(|_| unit(dimension, &mut random));
        outputs.collect()
    }
}

/// A direction whose two vectors are drawn uniformly from the unit spheres.
pub fn random(shape: [usize; 2], random: &mut ChaCha8Rng) -> Direction {
    let [input, output] = shape.map(|dimension| unit(dimension, random));
    Direction {
        family: Family::Singular,
        place: 0,
        output_index: 0,
        value: 0.0,
        input,
        output,
    }
}

/// Indices below `count`, at most `wanted` of them, whose distances grow as on a logarithmic scale; every small one, where
/// the scale is finer than whole numbers.
fn log_spaced(count: usize, wanted: usize) -> Vec<usize> {
    let wanted = wanted.min(count);
    let mut places: Vec<usize> = Vec::with_capacity(wanted);
    for index in 0..wanted {
        // What is left of the scale is divided anew after every place, so that the last one is the last of all.
        let next = match places.last() {
            None => 0,
            Some(&last) => {
                let left = (wanted - index) as f64;
                let ratio = (count as f64 / (last + 1) as f64).powf(1.0 / left);
                let scaled = (ratio * (last + 1) as f64).round() as usize - 1;
                scaled.max(last + 1)
            }
        };
        places.push(next.min(count - (wanted - index)));
    }
    places
}

/// A unit vector drawn uniformly from the sphere: normally distributed numbers by Box and Muller's transform, normalized.
fn unit(dimension: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let normal = |random: &mut ChaCha8Rng| {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        radius * (TAU * random.random::<f64>()).cos()
    };
    let mut vector: Vec<f64> = (0..dimension).map(|_| normal(random)).collect();
    let norm = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    for value in &mut vector {
        *value /= norm;
    }
    vector
}

fn column(matrix: MatRef<'_, f64>, index: usize) -> Vec<f64> {
    matrix.col(index).iter().copied().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_are_dense_at_the_top_and_reach_the_end() {
        assert_eq!(log_spaced(5, 9), [0, 1, 2, 3, 4]);
        assert_eq!(log_spaced(100, 1), [0]);
        for (count, wanted) in [(128, 64), (1536, 64), (7, 6), (64, 64), (1000, 3)] {
            let places = log_spaced(count, wanted);
            assert_eq!(places.len(), wanted, "{count} {wanted}: {places:?}");
            assert_eq!((places[0], places[wanted - 1]), (0, count - 1));
            let steps: Vec<usize> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(steps.iter().all(|&step| step > 0), "{places:?}");
            // Rounded to whole numbers, a step may be one less than the one before.
            assert!(
                steps.windows(2).all(|pair| pair[0] <= pair[1] + 1),
                "{places:?}"
            );
        }
    }

    #[test]
    fn directions_are_of_norm_one_and_have_the_values_of_their_matrices() {
        let choice = Choice {
            directions: 4,
            outputs: 2,
            seed: 3,
        };
        let weight = Mat::from_fn(6, 5, |i, j| ((i * i + 3 * i * j + j) as f64 * 0.37).sin());
        let rows = Mat::from_fn(9, 6, |i, j| {
            ((2 * i * i + i * j + 5 * j) as f64 * 0.61).cos()
        });
        let moment = rows.transpose() * &rows;
        let found = choice.of(&weight, &moment).unwrap();
        assert_eq!(found.len(), choice.count([6, 5]));
        let apply = |matrix: &Mat<f64>, left: &[f64], right: &[f64]| {
            let terms = (0..left.len()).flat_map(|i| (0..right.len()).map(move |j| (i, j)));
            terms
                .map(|(i, j)| left[i] * matrix[(i, j)] * right[j])
                .sum::<f64>()
        };
        for direction in &found {
            for vector in [&direction.input, &direction.output] {
                let norm: f64 = vector.iter().map(|value| value * value).sum();
                assert!((norm - 1.0).abs() < 1e-12, "{direction:?}");
            }
            // f64 rounding of decompositions of matrices of some dozens of numbers.
            let value = match direction.family {
                Family::Singular => apply(&weight, &direction.input, &direction.output),
                Family::Inputs => apply(&moment, &direction.input, &direction.input),
                Family::SingularInputs => continue,
            };
            assert!((value - direction.value).abs() < 1e-10, "{direction:?}");
        }
        let of = |family| {
            found
                .iter()
                .filter(move |direction| direction.family == family)
        };
        // The control has the inputs of the one set and the outputs of the other one.
        let singular = of(Family::Singular).cycle();
        for (control, singular) in of(Family::SingularInputs).zip(singular) {
            assert_eq!(
                (&control.input, control.value),
                (&singular.input, singular.value)
            );
        }
        for (control, inputs) in of(Family::SingularInputs).zip(of(Family::Inputs)) {
            assert_eq!(control.output, inputs.output);
        }
        let values: Vec<f64> = of(Family::Inputs).map(|d| d.value).take(4).collect();
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    }

    #[test]
    fn values_that_are_not_finite_are_refused() {
        let choice = Choice {
            directions: 1,
            outputs: 1,
            seed: 0,
        };
        let broken = Mat::from_fn(2, 2, |_, _| f64::NAN);
        let error = choice.of(&broken, &Mat::identity(2, 2)).unwrap_err();
        assert!(error.to_string().contains("not finite"), "{error}");
    }
}
