//! The directions that any source of a calibration needs.

use burn::tensor::TensorData;
use faer::Mat;

use super::first_tokens::joined;
use super::moment::Moment;
use crate::linalg::{matrix_data, vector_data};
use crate::rule::{ENERGY_ROUNDING, LayerFacts, Rule};

/// Part of a unit vector that must be left outside the present directions for it to count as a new one. An
/// eigenvector of the remaining inputs keeps nearly all of its length; only one of rounding does not.
const NEW: f64 = 0.5;

/// An orthonormal basis of the directions that the sources need, oldest first, with their importance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Union {
    /// `[d, r]`
    pub basis: Mat<f64>,
    /// How strongly each direction is held back, in `[0, 1]`; 1 for all of a hard split.
    pub importance: Vec<f64>,
}

/// How the directions of a new source are chosen.
pub(crate) struct Choice<'a> {
    pub rule: &'a dyn Rule,
    pub progress: f64,
    pub task: usize,
    /// `α` of the importance; `None` protects exactly.
    pub alpha: Option<f64>,
}

impl Union {
    /// No directions of inputs of dimension `d`.
    pub(crate) fn empty(d: usize) -> Self {
        Self {
            basis: Mat::zeros(d, 0),
            importance: Vec::new(),
        }
    }

    /// All numbers as they are saved: the basis, the importance.
    pub(crate) fn parts(&self) -> [TensorData; 2] {
        [matrix_data(&self.basis), vector_data(&self.importance)]
    }

    /// The same with the directions of first tokens, which have no energy in the moment and are held back entirely. They come
    /// first; what is left of the others beside them keeps its importance.
    fn with_first(self, first: &Mat<f64>) -> Self {
        let mut basis = first.clone();
        let mut importance = vec![1.0; first.ncols()];
        for (column, own) in self.importance.iter().enumerate() {
            let before = basis.ncols();
            basis = joined(basis, &self.basis.subcols(column, 1).to_owned());
            if basis.ncols() > before {
                importance.push(*own);
            }
        }
        Self { basis, importance }
    }

    /// Adds the fewest directions such that all of them hold the share of a source's energy that the rule asks
    /// for. `None` if a decomposition does not converge.
    ///
    /// # References
    ///
    /// Directions: Saha et al., ICLR 2021, algorithm 1 and equation 9. Importance: Saha and Roy, AAAI 2023,
    /// equations 5 to 7.
    pub(crate) fn with_source(mut self, moment: &Moment, choice: &Choice<'_>) -> Option<Self> {
        let d = moment.dimension();
        let total = moment.trace();
        let wanted = wanted_energy(moment, choice)?;
        if moment.first.ncols() > 0 {
            self = self.with_first(&moment.first);
        }
        let mut held = moment.energy_of(&self.basis);
        let present = self.basis.ncols();
        let rest = moment.spectrum_without(&self.basis)?;
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut added = Vec::new();
        for (index, energy) in rest.values.iter().enumerate() {
            if held >= wanted - ENERGY_ROUNDING * total || present + columns.len() == d {
                break;
            }
            if let Some(column) = outside(&self.basis, &rest.vectors, index) {
                columns.push(column);
                added.push(*energy);
                held += energy;
            }
        }
        let lengths: Vec<f64> = match choice.alpha {
            Some(_) => (moment.energies_of(&self.basis).into_iter())
                .map(f64::sqrt)
                .chain(added.iter().map(|energy| energy.sqrt()))
                .collect(),
            None => Vec::new(),
        };
        let count = present + columns.len();
        self.basis = Mat::from_fn(d, count, |i, j| match j < present {
            true => self.basis[(i, j)],
            false => columns[j - present][i],
        });
        self.importance.resize(count, 0.0);
        match choice.alpha {
            None => self.importance.fill(1.0),
            Some(alpha) => {
                let largest = lengths.iter().copied().fold(0.0, f64::max);
                for (importance, length) in self.importance.iter_mut().zip(lengths) {
                    let new = 1.0 - scale(alpha, length, largest);
                    *importance = (*importance + new).min(1.0);
                }
            }
        }
        Some(self)
    }
}

/// `p = 1 - (α + 1) s / (α s + s_max)`, the scale of a direction of singular value `s`; 1 if no direction has
/// any energy.
pub(crate) fn scale(alpha: f64, value: f64, largest: f64) -> f64 {
    match largest > 0.0 {
        // Without the cancellation of the formula: exactly 0 for the largest.
        true => (largest - value).max(0.0) / (alpha * value + largest),
        false => 1.0,
    }
}

/// The energy of a source that is to be protected.
fn wanted_energy(moment: &Moment, choice: &Choice<'_>) -> Option<f64> {
    let facts = |energies| LayerFacts {
        directions: moment.dimension(),
        energies,
        total_energy: moment.trace(),
        importance: None,
        progress: choice.progress,
        task: choice.task,
    };
    if let Some(share) = choice.rule.wanted_energy(&facts(&[])) {
        return Some(share * moment.trace());
    }
    let spectrum = moment.spectrum()?;
    let count = choice.rule.protected_directions(&facts(&spectrum.values));
    Some(spectrum.values.iter().take(count).sum())
}

/// A column of `vectors` without its part in `basis`, as a unit vector; `None` if nothing is left but rounding.
fn outside(basis: &Mat<f64>, vectors: &Mat<f64>, index: usize) -> Option<Vec<f64>> {
    let column = vectors.subcols(index, 1).to_owned();
    let left = &column - basis * (basis.transpose() * &column);
    let length = left.norm_l2();
    (length > NEW).then(|| (0..left.nrows()).map(|i| left[(i, 0)] / length).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ShareRule;
    use crate::calibration::{Second, Symmetric};

    /// The moment of these inputs, one in each row.
    fn moment(rows: &Mat<f64>) -> Moment {
        let second = Symmetric::of(&(rows.transpose() * rows));
        Moment {
            mean: vec![0.0; rows.ncols()],
            trace: second.trace(),
            second: Second::Dense(second),
            first: Mat::zeros(rows.ncols(), 0),
            variance: None,
        }
    }

    fn source(d: usize, n: usize, values: &[f64], seed: usize) -> Mat<f64> {
        Mat::from_fn(n, d, |i, j| {
            // Columns of falling size: the energy is in a few directions.
            values[(seed + i * d + j) % values.len()] * 0.6_f64.powi((j + seed) as i32 % d as i32)
        })
    }

    fn union_of(sources: &[Mat<f64>], share: f64, alpha: Option<f64>) -> Union {
        let rule = ShareRule::energy(share);
        let choice = Choice {
            rule: rule.rule().unwrap().as_ref(),
            progress: 0.0,
            task: 0,
            alpha,
        };
        let empty = Union::empty(sources[0].ncols());
        sources.iter().fold(empty, |union, rows| {
            union.with_source(&moment(rows), &choice).unwrap()
        })
    }

    /// Gradient Projection Memory as it is published, on the inputs themselves: `[d, n]` with one input in each
    /// column.
    fn published(sources: &[Mat<f64>], share: f64) -> Mat<f64> {
        let mut basis = Mat::zeros(sources[0].ncols(), 0);
        for rows in sources {
            let inputs = rows.transpose().to_owned();
            let rest = &inputs - &basis * (basis.transpose() * &inputs);
            let total = inputs.squared_norm_l2();
            let parts = rest.thin_svd().unwrap();
            let mut held = total - rest.squared_norm_l2();
            let mut count = 0;
            while held < share * total - 1e-12 * total {
                let value: f64 = parts.S().column_vector()[count];
                held += value * value;
                count += 1;
            }
            let before = basis.ncols();
            basis = Mat::from_fn(basis.nrows(), before + count, |i, j| match j < before {
                true => basis[(i, j)],
                false => parts.U()[(i, j - before)],
            });
        }
        basis
    }

    proptest! {
        #[test]
        fn the_union_is_that_of_the_published_algorithm_and_protects_every_source(
            d in 2usize..10,
            n in 2usize..14,
            share in 0.3_f64..0.97,
            values in prop::collection::vec(-1.0_f64..1.0, 97..140),
        ) {
            let sources: Vec<Mat<f64>> = (0..3).map(|seed| source(d, n, &values, seed)).collect();
            let found = union_of(&sources, share, None);
            let expected = published(&sources, share);
            prop_assert_eq!(found.basis.ncols(), expected.ncols());
            prop_assert!(found.importance.iter().all(|importance| *importance == 1.0));
            let gram = found.basis.transpose() * &found.basis;
            let identity = Mat::<f64>::identity(gram.nrows(), gram.ncols());
            prop_assert!((gram - identity).norm_max() < 1e-12);
            for rows in &sources {
                let held = (rows * &found.basis).squared_norm_l2();
                prop_assert!(held >= share * rows.squared_norm_l2() * (1.0 - 1e-9));
            }
            // A moment squares the condition of the inputs: the directions agree to about the root of f64's
            // rounding, divided by the distance of two singular values, which are drawn freely.
            let projector = |basis: &Mat<f64>| basis * basis.transpose();
            let protected = |basis: &Mat<f64>| {
                let all: f64 = sources.iter().map(|rows| (rows * projector(basis)).squared_norm_l2()).sum();
                all / sources.iter().map(Mat::squared_norm_l2).sum::<f64>()
            };
            prop_assert!((protected(&found.basis) - protected(&expected)).abs() < 1e-6);
        }

        #[test]
        fn importance_accumulates_by_the_published_formula(
            d in 2usize..8,
            alpha in 0.0_f64..30.0,
            values in prop::collection::vec(-1.0_f64..1.0, 97..140),
        ) {
            let sources: Vec<Mat<f64>> = (0..3).map(|seed| source(d, 9, &values, seed)).collect();
            let found = union_of(&sources, 0.8, Some(alpha));
            let mut importance: Vec<f64> = Vec::new();
            for end in 1..=sources.len() {
                let basis = union_of(&sources[..end], 0.8, Some(alpha)).basis;
                let latest = &sources[end - 1];
                let lengths: Vec<f64> =
                    (0..basis.ncols()).map(|j| (latest * basis.subcols(j, 1)).norm_l2()).collect();
                let largest = lengths.iter().copied().fold(0.0, f64::max);
                importance.resize(lengths.len(), 0.0);
                for (importance, s) in importance.iter_mut().zip(lengths) {
                    *importance = (*importance + (alpha + 1.0) * s / (alpha * s + largest)).clamp(0.0, 1.0);
                }
            }
            prop_assert_eq!(found.importance.len(), importance.len());
            for (found, expected) in found.importance.iter().zip(&importance) {
                // Lengths come from the moment here and from the inputs there.
                prop_assert!((found - expected).abs() < 1e-6, "{} {}", found, expected);
            }
        }
    }

    #[test]
    fn the_direction_of_a_later_sources_first_tokens_is_held_back_entirely() {
        let diagonal = |sizes: [f64; 3]| {
            let rows = Mat::from_fn(3, 3, |i, j| if i == j { f64::sqrt(sizes[i]) } else { 0.0 });
            moment(&rows)
        };
        let along = |direction: [f64; 3], of: Moment| Moment {
            first: Mat::from_fn(3, 1, |i, _| direction[i]),
            ..of
        };
        let rule = ShareRule::energy(0.99);
        let choice = Choice {
            rule: rule.rule().unwrap().as_ref(),
            progress: 0.0,
            task: 0,
            alpha: Some(10.0),
        };
        let one = along([1.0, 0.0, 0.0], diagonal([0.0, 4.0, 1.0]));
        let union = Union::empty(3).with_source(&one, &choice).unwrap();
        // The third axis is less important than the second: a part of a step along it stays.
        assert!(union.importance.iter().any(|importance| *importance < 1.0));
        for direction in [[0.0, 0.0, 1.0], [0.0, 0.6, 0.8]] {
            let other = along(direction, diagonal([0.0, 4.0, 1e-4]));
            let found = union.clone().with_source(&other, &choice).unwrap();
            let gram = found.basis.transpose() * &found.basis;
            assert!((gram - Mat::<f64>::identity(3, 3)).norm_max() < 1e-12);
            // What stays of a step along the direction: the part of it in directions that are not held back.
            let part = found.basis.transpose() * Mat::from_fn(3, 1, |i, _| direction[i]);
            let stays = (0..3).map(|j| (1.0 - found.importance[j]) * part[(j, 0)].abs());
            assert!(stays.sum::<f64>() < 1e-12, "{:?}", found.importance);
        }
    }

    #[test]
    fn a_rule_that_asks_for_a_number_protects_what_so_many_directions_would_hold() {
        let axes = |sizes: &[f64]| Mat::from_fn(4, 4, |i, j| if i == j { sizes[i] } else { 0.0 });
        let rule = ShareRule::count(2);
        let choice = Choice {
            rule: rule.rule().unwrap().as_ref(),
            progress: 0.0,
            task: 0,
            alpha: None,
        };
        let union = Union::empty(4);
        let first = moment(&axes(&[4.0, 3.0, 2.0, 1.0]));
        let union = union.with_source(&first, &choice).unwrap();
        assert_eq!(union.basis.ncols(), 2);
        // The first two axes hold nothing of this source: it needs both of its own.
        let second = moment(&axes(&[0.0, 0.0, 2.0, 2.0]));
        assert_eq!(
            union.with_source(&second, &choice).unwrap().basis.ncols(),
            4
        );
    }
}
