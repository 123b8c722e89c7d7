//! Sources of the protected directions of a layer, one file for each.

mod both;
mod inputs;
mod inputs_and_gradients;
mod ridge;
mod united;
mod weights;

use std::sync::Arc;

use faer::Mat;

use crate::calibration::{Moment, Spectrum, Union};
use crate::config::{Form, OsftConfig, SplitSource};
use crate::linalg::{Vectors, decompose};
use crate::rule::{LayerFacts, Rule, protected_directions};
use crate::split::keeps_free_basis;

/// Protected directions of one layer: the first `k_in` and `k_out` columns of two bases.
pub(crate) struct Directions {
    /// `[d_in, c]` with orthonormal columns, `c >= k_in`.
    pub input: Mat<f64>,
    /// The scales of the input directions after the first `k_in`, all above 0, if they are scaled.
    pub scales: Option<Scales>,
    /// `[d_out, c]` with orthonormal columns, `c >= k_out`.
    pub output: Mat<f64>,
    pub k_in: usize,
    pub k_out: usize,
    /// Number of the first energies that are protected.
    pub protected_energies: usize,
    /// Energy of each decomposed direction, descending.
    pub energies: Vec<f64>,
    /// Energy of all directions, including those that a sketch misses.
    pub total_energy: f64,
    /// Directions that the rule asked for but that do not exist on the input side.
    pub lost: usize,
}

/// How far scaled input directions may move.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scales {
    /// `p` of every direction after the first `k_in`, `[d_in - k_in]`.
    pub values: Vec<f64>,
    /// Upper bound of `‖Σ^{1/2} V diag(p)‖²`: what the mean squared change of the outputs is at most, for
    /// `‖C‖_F = 1`.
    pub reach: f64,
}

/// One layer, as the sources read it.
pub(crate) struct Layer<'a> {
    /// `[d_in, d_out]`
    pub weight: &'a Mat<f64>,
    /// Moment of the inputs with its decomposition, if the source needs it.
    pub inputs: Option<(&'a Moment, &'a Spectrum)>,
    /// Moment of the gradients with respect to the outputs, if the source needs it.
    pub gradients: Option<&'a Moment>,
    /// The directions that any source needs with the moment of all, if the split reads them.
    pub united: Option<(&'a Moment, &'a Union)>,
    /// Whether nothing is to be retained.
    pub retains_nothing: bool,
    pub rule: Arc<dyn Rule>,
    pub importance: Option<f64>,
    pub progress: f64,
    pub task: usize,
}

impl Layer<'_> {
    /// Number of protected directions, by the layer's rule.
    fn protected(&self, directions: usize, energies: &[f64], total: f64) -> usize {
        let layer = LayerFacts {
            directions,
            energies,
            total_energy: total,
            importance: self.importance,
            progress: self.progress,
            task: self.task,
        };
        protected_directions(self.rule.as_ref(), &layer)
    }
}

/// Number of directions that can be protected in a weight of shape `[d_in, d_out]`.
pub(crate) fn available(split: SplitSource, [d_in, d_out]: [usize; 2]) -> usize {
    match split {
        SplitSource::Inputs => d_in,
        SplitSource::Weights | SplitSource::Both | SplitSource::InputsAndGradients => {
            d_in.min(d_out)
        }
    }
}

/// The protected directions of a layer; `None` if a decomposition does not converge.
pub(crate) fn directions(layer: &Layer<'_>, config: &OsftConfig) -> Option<Directions> {
    let mut directions = match (config.split, layer.inputs, layer.united) {
        (split, ..) if split.needs_calibration() && layer.retains_nothing => none(layer),
        (SplitSource::Inputs, _, Some((moment, union))) => {
            united::directions(layer, moment, union, config.scaling)?
        }
        (SplitSource::Inputs, Some((moment, spectrum)), _) => {
            inputs::directions(layer, moment, spectrum, config)?
        }
        (SplitSource::Both, Some((_, spectrum)), _) => both::directions(layer, spectrum)?,
        (SplitSource::InputsAndGradients, Some((moment, spectrum)), _) => {
            inputs_and_gradients::directions(layer, moment, spectrum)?
        }
        _ => weights::directions(layer, config.form)?,
    };
    directions.input = completed(directions.input, directions.k_in, config.form)?;
    directions.output = completed(directions.output, directions.k_out, config.form)?;
    Some(directions)
}

/// No directions at all.
fn none(layer: &Layer<'_>) -> Directions {
    Directions {
        input: Mat::zeros(layer.weight.nrows(), 0),
        scales: None,
        output: Mat::zeros(layer.weight.ncols(), 0),
        k_in: 0,
        k_out: 0,
        protected_energies: 0,
        energies: Vec::new(),
        total_energy: 0.0,
        lost: 0,
    }
}

/// A direction with a smaller scale is protected: its steps would vanish in f32, and the squares of its basis
/// too.
const SMALLEST_SCALE: f64 = 1e-15;

/// Directions with these scales, of which those without a scale are protected: they come first. `basis` is
/// complete, `energies` are those of its columns.
fn scaled(
    layer: &Layer<'_>,
    basis: &Mat<f64>,
    scales: &[f64],
    energies: &[f64],
    total_energy: f64,
    reach: f64,
) -> Directions {
    let (protected, free): (Vec<usize>, Vec<usize>) =
        (0..scales.len()).partition(|&index| scales[index] < SMALLEST_SCALE);
    let order: Vec<usize> = protected.iter().chain(&free).copied().collect();
    Directions {
        input: Mat::from_fn(basis.nrows(), order.len(), |i, j| basis[(i, order[j])]),
        scales: (!free.is_empty()).then(|| Scales {
            values: free.iter().map(|&index| scales[index]).collect(),
            reach,
        }),
        output: Mat::zeros(layer.weight.ncols(), 0),
        k_in: protected.len(),
        k_out: 0,
        protected_energies: protected.len(),
        energies: order
            .iter()
            .filter_map(|&index| energies.get(index).copied())
            .collect(),
        total_energy,
        lost: 0,
    }
}

/// Completes a basis if the split needs that: on a side that stores its free directions, and in the factored
/// forms, whose factors start inside them.
fn completed(basis: Mat<f64>, k: usize, form: Form) -> Option<Mat<f64>> {
    let d = basis.nrows();
    let needed = keeps_free_basis(d, k) || (form.is_factored() && k < d);
    match needed {
        true => complete(basis, k),
        false => Some(basis),
    }
}

/// A basis of the whole space that begins with the first `k` columns of `basis`.
fn complete(basis: Mat<f64>, k: usize) -> Option<Mat<f64>> {
    let d = basis.nrows();
    if basis.ncols() == d {
        return Some(basis);
    }
    if k == 0 {
        return Some(Mat::identity(d, d));
    }
    // The protected columns do not change; the decomposition adds an orthonormal basis of their complement.
    let protected = basis.subcols(0, k).to_owned();
    let complement = decompose(&protected, Vectors::Full)?.input;
    Some(Mat::from_fn(d, d, |i, j| {
        if j < k {
            protected[(i, j)]
        } else {
            complement[(i, j)]
        }
    }))
}

fn squares(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value * value).collect()
}

// Folded from +0: the sum of no floats is -0, which would be printed as such.
fn sum(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, value| sum + value)
}
