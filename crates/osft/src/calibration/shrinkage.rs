//! How far a moment's eigenvalues are moved towards their mean.

use super::moment::{Moment, Spectrum};
use crate::config::Shrinkage;

/// `b²`: the expected squared error, in the Frobenius norm, of a moment of so many independent tokens.
///
/// # References
///
/// Ledoit and Wolf, 2004, lemma 3.4, without the division of all norms by `d`, which cancels.
pub(super) fn variance(fourth_powers: f64, squared_norm: f64, tokens: usize) -> f64 {
    let n = tokens.max(1) as f64;
    ((fourth_powers - n * squared_norm) / (n * n)).max(0.0)
}

impl Moment {
    /// `ρ` of a shrinkage, in `[0, 1]`; `None` if what Ledoit and Wolf's needs was not measured.
    ///
    /// If `Σ` is a sketch, its norm is too small by what the sketch misses, which makes `ρ` too large.
    pub(crate) fn shrinkage_weight(&self, shrinkage: Shrinkage) -> Option<f64> {
        match shrinkage {
            Shrinkage::None => Some(0.0),
            Shrinkage::Weight(weight) => Some(weight),
            Shrinkage::LedoitWolf => {
                let variance = self.variance?;
                let d = self.dimension().max(1) as f64;
                let from_equal = self.squared_norm() - self.trace().powi(2) / d;
                Some(match variance < from_equal {
                    true => variance / from_equal,
                    // Equal eigenvalues already, or nothing but error.
                    false if variance > 0.0 => 1.0,
                    false => 0.0,
                })
            }
        }
    }
}

impl Spectrum {
    /// The eigenvalues after a shrinkage of weight `ρ` in a space of `dimension` directions with this energy, and
    /// the value that those have which the spectrum lacks.
    pub(crate) fn shrunk(&self, weight: f64, energy: f64, dimension: usize) -> (Vec<f64>, f64) {
        if weight == 0.0 {
            return (self.values.clone(), 0.0);
        }
        let floor = weight * energy / dimension.max(1) as f64;
        let moved = self
            .values
            .iter()
            .map(|value| (1.0 - weight) * value + floor);
        (moved.collect(), floor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use faer::Mat;
    use proptest::prelude::*;

    use super::*;
    use crate::calibration::{Second, Symmetric};

    proptest! {
        /// Against the sums over tokens as the publication writes them.
        #[test]
        fn the_weight_is_the_published_one(
            d in 1usize..5,
            n in 1usize..12,
            values in prop::collection::vec(-2.0f64..2.0, 48),
        ) {
            let x = Mat::from_fn(n, d, |i, j| values[i * d + j]);
            let sum = x.transpose() * &x * faer::Scale(1.0 / n as f64);
            let fourth: f64 = x.row_iter().map(|row| row.squared_norm_l2().powi(2)).sum();
            let second = Symmetric::of(&sum);
            let moment = Moment {
                mean: vec![0.0; d],
                trace: second.trace(),
                variance: Some(variance(fourth, second.squared_norm(), n)),
                second: Second::Dense(second),
                first: Mat::zeros(d, 0),
            };
            let found = moment.shrinkage_weight(Shrinkage::LedoitWolf).unwrap();
            prop_assert!((0.0..=1.0).contains(&found));
            let mean = moment.trace / d as f64;
            let identity = Mat::<f64>::identity(d, d) * faer::Scale(mean);
            let spread = (&sum - identity).squared_norm_l2();
            let error: f64 = (0..n)
                .map(|t| {
                    let token = x.subrows(t, 1);
                    (token.transpose() * token - &sum).squared_norm_l2()
                })
                .sum::<f64>() / (n * n) as f64;
            // Where the eigenvalues differ by more than rounding.
            if spread > 1e-9 {
                prop_assert!((found - error.min(spread) / spread).abs() < 1e-6);
            }
        }

        #[test]
        fn the_energy_stays_and_the_order_too(
            mut values in prop::collection::vec(0.0f64..5.0, 1..9),
            weight in 0.0f64..=1.0,
        ) {
            values.sort_by(|a, b| b.total_cmp(a));
            let (energy, d) = (values.iter().sum::<f64>(), values.len());
            let spectrum = Spectrum { values, vectors: Mat::identity(d, d) };
            let (moved, floor) = spectrum.shrunk(weight, energy, d);
            prop_assert!((moved.iter().sum::<f64>() - energy).abs() < 1e-12 * (1.0 + energy));
            prop_assert!(moved.windows(2).all(|pair| pair[0] >= pair[1]));
            prop_assert!(moved.iter().all(|value| *value >= floor));
        }
    }
}
