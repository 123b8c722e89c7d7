//! Singular triplets of a module's weights: the largest and the smallest together are the weight.

use crate::common::{Mlp, backends};
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use osft::{OsftError, SingularTriplets, Targets, WhichTriplets};

/// `input · diag(values) · outputᵀ`
fn part(triplets: &SingularTriplets) -> Vec<f64> {
    let count = triplets.values.len();
    let rows = |vectors: &TensorData| -> Vec<Vec<f64>> {
        let values: Vec<f64> = vectors.iter().collect();
        assert_eq!(vectors.shape()[1], count);
        values.chunks(count).map(<[f64]>::to_vec).collect()
    };
    let (input, output) = (rows(&triplets.input), rows(&triplets.output));
    let entry = |row: &[f64], column: &[f64]| -> f64 {
        let terms = row.iter().zip(column).zip(&triplets.values);
        terms.map(|((u, v), s)| u * s * v).sum()
    };
    let entry = |row: &Vec<f64>| {
        output
            .iter()
            .map(|column| entry(row, column))
            .collect::<Vec<f64>>()
    };
    input.iter().flat_map(entry).collect()
}

#[test]
fn the_largest_and_the_smallest_triplets_add_up_to_the_weight() {
    for (backend, device) in backends() {
        let model = Mlp::new(3, &device);
        let targets = Targets::linear_layers();
        let of = |which| SingularTriplets::of(&model, &targets, which).unwrap();
        // The layers have 16, 16 and 12 singular values.
        let (largest, smallest) = (
            of(WhichTriplets::Largest(5)),
            of(WhichTriplets::Smallest(7)),
        );
        let layers = [&model.first, &model.middle, &model.last];
        let paths: Vec<&str> = largest
            .iter()
            .map(|triplets| triplets.path.as_str())
            .collect();
        assert_eq!(paths, ["first.weight", "middle.weight", "last.weight"]);
        let last = largest.len() - 1;
        let whole: Vec<f64> = part(&largest[last])
            .iter()
            .zip(part(&smallest[last]))
            .map(|(large, small)| large + small)
            .collect();
        let weight: Vec<f64> = layers[last].weight.val().into_data().iter().collect();
        for (found, expected) in whole.iter().zip(&weight) {
            // Twelve products in f64, and rounding of the decomposition.
            assert!(
                (found - expected).abs() < 1e-13,
                "{backend}: {found} {expected}"
            );
        }
        for (large, small) in largest.iter().zip(&smallest) {
            assert_eq!((large.values.len(), small.values.len()), (5, 7));
            assert!(
                large.values.iter().all(|value| *value >= small.values[0]),
                "{backend}"
            );
            for values in [&large.values, &small.values] {
                assert!(
                    values.windows(2).all(|pair| pair[0] >= pair[1]),
                    "{backend}"
                );
            }
        }
        // No layer has more than all.
        let all = of(WhichTriplets::Smallest(100));
        let counts: Vec<usize> = all.iter().map(|triplets| triplets.values.len()).collect();
        assert_eq!(counts, [16, 16, 12]);
    }
}

#[test]
fn a_weight_that_cannot_be_decomposed_is_named() {
    for (_, device) in backends() {
        let mut model = Mlp::new(3, &device);
        let nan = Tensor::<2>::full([16, 40], f32::NAN, &device);
        model.middle.weight = Param::from_tensor(nan);
        let which = WhichTriplets::Largest(1);
        let error = SingularTriplets::of(&model, &Targets::linear_layers(), which).unwrap_err();
        assert!(
            matches!(error, OsftError::NonFinite { ref layer, .. } if layer == "middle.weight")
        );
    }
}
