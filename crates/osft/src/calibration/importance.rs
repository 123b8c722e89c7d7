//! Importance of the layers, relative to their mean; the similarity of inputs and outputs.

use faer::Mat;

use crate::calibration::{Calibration, Moment};
use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;

/// Importance of every layer of a calibration, in its order: negative scores count as 0, and the
/// mean over layers is 1. `None` where the scores' mean is degenerate.
///
/// # Errors
///
/// [`OsftError::NotMeasured`] if the calibration does not contain the measure.
///
/// # References
///
/// arXiv 2504.07097, section 3.3; the cosine is AdaSVD's measure.
pub(crate) fn importance(
    calibration: &Calibration,
    measure: ImportanceMeasure,
) -> Result<Option<Vec<f64>>, OsftError> {
    let scores = calibration.layers.iter().map(|layer| {
        let score = layer.scores.get(measure.name()).copied();
        let score = score.ok_or(OsftError::NotMeasured { measure })?;
        Ok(score.max(0.0))
    });
    let scores = scores.collect::<Result<Vec<f64>, OsftError>>()?;
    let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
    // A mean of exactly 0 has no information either, whatever the measure.
    Ok((mean.is_finite() && mean > 0.0 && mean >= measure.noise())
        .then(|| scores.iter().map(|score| score / mean).collect()))
}

/// Linear CKA between the inputs `x` of a layer and its outputs `x W`, in `[0, 1]`; 0 if either is constant.
/// The moment alone gives the exact value, since the covariance of the outputs follows from the covariance of
/// the inputs. From a sketch, whose covariance may be indefinite, the value is an estimate that is clamped to
/// the range.
///
/// # Shapes
/// - `weight`: `[d_in, d_out]`
///
/// # References
///
/// Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019:
/// `‖YᵀX‖_F² / (‖XᵀX‖_F ‖YᵀY‖_F)` of centered columns.
pub(crate) fn linear_cka(moment: &Moment, weight: &Mat<f64>) -> f64 {
    let inputs = moment.covariance();
    let cross = weight.transpose() * &inputs;
    let outputs = &cross * weight;
    let size = inputs.norm_l2() * outputs.norm_l2();
    if size > 0.0 {
        (cross.squared_norm_l2() / size).min(1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::calibration::{LayerCalibration, Source};
    use crate::config::MomentConfig;

    fn calibration(cosines: &[f64]) -> Calibration {
        Calibration {
            sources: vec![Source {
                name: "test".to_string(),
                tokens: 1,
                weight: 1.0,
            }],
            moments: Vec::new(),
            unions: Vec::new(),
            measured: MomentConfig::default(),
            layers: cosines
                .iter()
                .map(|&cosine| LayerCalibration {
                    path: String::new(),
                    moment: 0,
                    gradients: None,
                    scores: ImportanceMeasure::ALL
                        .map(|measure| (measure.name().to_string(), cosine))
                        .into(),
                })
                .collect(),
        }
    }

    #[test]
    fn negative_scores_become_zero_before_the_mean_is_taken() {
        let found = importance(&calibration(&[-0.5, 0.2, 0.4]), ImportanceMeasure::Cosine);
        let expected = [0.0, 1.0, 2.0];
        let found = found.unwrap().unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_mean_near_zero_is_degenerate() {
        for scores in [vec![-0.5, -0.1], vec![0.004, 0.003], vec![f64::NAN], vec![]] {
            for measure in [ImportanceMeasure::Cosine, ImportanceMeasure::LinearCka] {
                let found = importance(&calibration(&scores), measure).unwrap();
                // A NaN score becomes 0, like a negative one.
                assert_eq!(found, None, "{scores:?}");
            }
        }
    }

    #[test]
    fn small_scores_of_a_measure_without_noise_are_no_noise() {
        let small = calibration(&[1e-9, 3e-9]);
        let found = importance(&small, ImportanceMeasure::FisherTrace).unwrap();
        let found = found.unwrap();
        assert!((found[0] - 0.5).abs() < 1e-9 && (found[1] - 1.5).abs() < 1e-9);
        let nothing = calibration(&[0.0, 0.0]);
        assert_eq!(
            importance(&nothing, ImportanceMeasure::Energy).unwrap(),
            None
        );
    }

    #[test]
    fn a_missing_measure_is_an_error_and_not_zero() {
        let mut calibration = calibration(&[0.2, 0.4]);
        calibration.layers[1].scores.remove("linear_cka");
        assert!(importance(&calibration, ImportanceMeasure::Cosine).is_ok());
        let found = importance(&calibration, ImportanceMeasure::LinearCka).unwrap_err();
        let OsftError::NotMeasured { measure } = found else {
            panic!("{found}");
        };
        assert_eq!(measure, ImportanceMeasure::LinearCka);
        assert!(found.to_string().contains("linear CKA"), "{found}");
    }
}
