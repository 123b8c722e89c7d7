//! The scales of the ridge: `p = 1 / (1 + μ λ)` with a given mean.

/// Energies below this share of the largest one count as none: far below any rounding, and far enough above
/// the smallest f64 that `μ λ` neither overflows nor vanishes.
const NONE: f64 = 1e-280;

/// `μ` times the largest energy is between `2^-EXPONENT` and `2^EXPONENT`.
const EXPONENT: f64 = 1000.0;

/// `p_i = 1 / (1 + μ λ_i)` with `μ` such that the mean of `p` is `mean`, above 0 and at most 1.
///
/// Where more directions have no energy than `mean` allows, no `μ` reaches it. Then it is the limit of
/// `λ_i + δ` for `δ → 0`: 0 for directions with energy, and equal for those without.
pub(super) fn ridge_scales(energies: &[f64], mean: f64) -> Vec<f64> {
    let largest = energies.iter().copied().fold(0.0, f64::max);
    // Relative to the largest energy, so that `μ` has no unit.
    let relative = energies
        .iter()
        .map(|energy| match *energy > largest * NONE {
            true => energy / largest,
            false => 0.0,
        });
    let relative: Vec<f64> = relative.collect();
    let empty = relative.iter().filter(|energy| **energy == 0.0).count();
    let wanted = mean * energies.len() as f64;
    if empty as f64 >= wanted {
        let share = wanted / empty as f64;
        let scales = relative.iter().map(|e| if *e == 0.0 { share } else { 0.0 });
        return scales.collect();
    }
    let scales = |exponent: f64| {
        let mu = exponent.exp2();
        relative.iter().map(move |energy| 1.0 / (1.0 + mu * energy))
    };
    // The sum falls with the exponent. Halving ends when the ends are neighbours in f64.
    let (mut low, mut high) = (-EXPONENT, EXPONENT);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        match scales(middle).sum::<f64>() > wanted {
            true => low = middle,
            false => high = middle,
        }
    }
    scales(low).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mean(scales: &[f64]) -> f64 {
        scales.iter().sum::<f64>() / scales.len() as f64
    }

    proptest! {
        #[test]
        fn the_mean_is_the_wanted_one_and_all_scales_have_one_factor(
            mut energies in prop::collection::vec(
                prop_oneof![Just(0.0), 1e-12_f64..10.0, 1e-300_f64..1e-290], 1..40,
            ),
            share in 1e-6_f64..1.0,
        ) {
            energies.sort_by(|a, b| b.total_cmp(a));
            let scales = ridge_scales(&energies, share);
            prop_assert!((mean(&scales) - share).abs() < 1e-9, "{} {}", mean(&scales), share);
            prop_assert!(scales.iter().all(|p| (0.0..=1.0).contains(p)));
            // More energy is never scaled less.
            prop_assert!(scales.windows(2).all(|pair| pair[0] <= pair[1]));
            // `(1 / p - 1) / λ` is `μ` for every direction whose p has digits to compute it from.
            let factors: Vec<f64> = energies
                .iter()
                .zip(&scales)
                .filter(|(_, p)| (1e-6..1.0 - 1e-6).contains(*p))
                .filter(|(energy, _)| **energy > 1e-20)
                .map(|(energy, p)| (1.0 / p - 1.0) / energy)
                .collect();
            for pair in factors.windows(2) {
                prop_assert!((pair[0] / pair[1] - 1.0).abs() < 1e-8, "{:?}", pair);
            }
        }
    }

    #[test]
    fn equal_energies_and_one_direction_have_the_wanted_mean_everywhere() {
        for (energies, share) in [
            (vec![3.0; 7], 0.3),
            (vec![0.0; 5], 0.4),
            (vec![2.0], 0.25),
            (vec![0.0], 0.25),
        ] {
            for p in ridge_scales(&energies, share) {
                assert!((p - share).abs() < 1e-9, "{energies:?}: {p}");
            }
        }
    }

    #[test]
    fn the_limits_are_plain_training_and_the_hard_split() {
        let energies = [5.0, 1.0, 0.1];
        for p in ridge_scales(&energies, 1.0 - 1e-12) {
            assert!((p - 1.0).abs() < 1e-11);
        }
        // Two values far apart: the share of those without energy is free, the others are not.
        let two_valued = [1.0, 1.0, 1.0, 1e-14, 1e-14];
        let scales = ridge_scales(&two_valued, 0.4 + 1e-7);
        for (p, expected) in scales.iter().zip([0.0, 0.0, 0.0, 1.0, 1.0]) {
            assert!((p - expected).abs() < 1e-5, "{scales:?}");
        }
        assert_eq!(ridge_scales(&[1.0, 1.0, 0.0], 1.0 / 3.0), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn where_too_many_directions_have_no_energy_it_is_the_limit_of_a_small_one() {
        let energies = [2.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let found = ridge_scales(&energies, 0.5);
        assert_eq!(found, [0.0, 0.0, 0.75, 0.75, 0.75, 0.75]);
        let nearly = energies.map(|energy| energy + 1e-12);
        for (a, b) in found.iter().zip(ridge_scales(&nearly, 0.5)) {
            assert!((a - b).abs() < 1e-9);
        }
    }
}
