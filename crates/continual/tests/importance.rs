//! Measures of importance that need gradients, through the calibration run.

use std::collections::HashMap;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use continual::calibrate;
use lm::{Example, LanguageModel};
use osft::{
    AdaptiveShare, Calibrator, ImportanceMeasure, OsftConfig, OsftError, ShareRule, Targets,
};

use crate::common::*;

const TARGETS: &str = "_proj\\.weight$";

fn rows() -> Vec<Example> {
    let rows = [([1, 2], 3), ([4, 5], 6), ([2, 1], 7)];
    let rows = rows.map(|(prompt, answer)| Example::new(prompt.to_vec(), vec![answer, 0]));
    // Nothing is predicted of this row: it has no gradient.
    let empty = Example::new(Vec::new(), vec![8]);
    rows.into_iter().chain([empty]).collect()
}

fn config(importance: ImportanceMeasure) -> OsftConfig {
    let share = AdaptiveShare {
        importance,
        ..AdaptiveShare::default()
    };
    OsftConfig::new()
        .with_targets([TARGETS])
        .with_share_rule(ShareRule::adaptive(share))
}

#[test]
fn the_fisher_trace_is_the_mean_over_rows_of_the_squared_gradient_per_weight() {
    for (backend, device) in backends() {
        let model = model(&device.autodiff());
        let measure = ImportanceMeasure::FisherTrace;
        let calibrator = Calibrator::for_config(&model, &config(measure)).unwrap();
        let calibration = calibrate(&model, calibrator, "rows", &rows(), 2).unwrap();
        let found = calibration.importance(measure).unwrap().unwrap();

        let targets = Targets::matching([TARGETS]).selected(&model).unwrap();
        let mut squares: HashMap<String, f64> = HashMap::new();
        for row in &rows()[..3] {
            let (loss, tokens) = model.answer_loss(std::slice::from_ref(row));
            assert_eq!(tokens, 2);
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            for target in &targets {
                let gradient = grads.get::<2>(target.id).unwrap().into_data();
                let size = (target.shape[0] * target.shape[1]) as f64;
                let mean: f64 = gradient
                    .iter::<f64>()
                    .map(|value| value * value / size)
                    .sum();
                *squares.entry(target.path.clone()).or_default() += mean;
            }
        }
        let mean = squares.values().sum::<f64>() / squares.len() as f64;
        assert_eq!(found.len(), squares.len());
        for (path, importance) in found {
            let expected = squares[path] / mean;
            assert!(
                (importance - expected).abs() < 1e-6,
                "{backend} {path}: {importance} {expected}"
            );
        }
    }
}

#[test]
fn a_model_without_gradients_is_an_error() {
    let model = model(&Device::flex());
    let measure = ImportanceMeasure::FisherTrace;
    let calibrator = Calibrator::for_config(&model, &config(measure)).unwrap();
    let error = calibrate(&model, calibrator, "rows", &rows(), 2).unwrap_err();
    assert!(matches!(error, OsftError::NoGradients { .. }), "{error}");
}

#[test]
fn the_energy_is_the_mean_squared_input() {
    let model = model(&Device::flex());
    let measure = ImportanceMeasure::Energy;
    let calibrator = Calibrator::for_config(&model, &config(measure)).unwrap();
    let calibration = calibrate(&model, calibrator, "rows", &rows(), 2).unwrap();
    let saved = calibration.to_bytes().unwrap();
    let calibration = osft::Calibration::from_bytes(&saved).unwrap();
    let found = calibration.importance(measure).unwrap().unwrap();
    let energies: Vec<f64> = found
        .iter()
        .map(|(path, _)| {
            let moment = calibration.moment(path).unwrap();
            moment.trace() / moment.dimension() as f64
        })
        .collect();
    let mean = energies.iter().sum::<f64>() / energies.len() as f64;
    for ((path, importance), energy) in found.iter().zip(&energies) {
        assert!((importance - energy / mean).abs() < 1e-12, "{path}");
    }
    assert!(matches!(
        calibration.importance(ImportanceMeasure::Cosine),
        Err(OsftError::NotMeasured { .. })
    ));
}
