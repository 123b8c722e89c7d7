//! The rule of every target and its part of the calibration, decomposed once per moment.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::calibration::{Moment, Spectrum};
use crate::config::OsftConfig;
use crate::error::OsftError;
use crate::module::Weight;
use crate::rule::Rule;
use crate::split::SplitContext;

/// One entry per target, in their order; moments and spectra are empty if the split needs none.
#[derive(Default)]
pub(crate) struct PerTarget {
    pub moments: Vec<Arc<Moment>>,
    pub spectra: Vec<Arc<Spectrum>>,
    /// The rule of every target.
    pub rules: Vec<Arc<dyn Rule>>,
    /// Importance of the targets whose rule reads it.
    pub importance: Vec<Option<f64>>,
    pub warnings: Vec<String>,
}

impl PerTarget {
    pub(crate) fn new(
        targets: &[Weight],
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        let paths: Vec<&str> = targets.iter().map(|target| target.path.as_str()).collect();
        let rules = config.rules_of(&paths)?;
        let measures = config.importance_measures();
        let Some(calibration) = context.calibration else {
            return match config.needs_calibration() {
                true => Err(OsftError::NotCalibrated),
                false => Ok(Self {
                    importance: vec![None; targets.len()],
                    rules,
                    ..Self::default()
                }),
            };
        };
        let mut per_target = Self::default();
        let all = &calibration.moments;
        let layers = calibration.by_path();
        let mut moment_of = Vec::new();
        for target in targets {
            let [d_in, _] = target.value.dims();
            let layer = layers.get(target.path.as_str());
            let moment = layer.and_then(|layer| Some((layer.moment, all.get(layer.moment)?)));
            match moment.filter(|(_, moment)| moment.dimension() == d_in) {
                Some((index, moment)) => {
                    moment_of.push(index);
                    per_target.moments.push(moment.clone());
                }
                None => {
                    let layer = target.path.clone();
                    return Err(OsftError::OtherCalibration { layer });
                }
            }
        }
        if config.split.needs_calibration() {
            // Layers that share an input also share its decomposition.
            let spectra: Vec<Option<Arc<Spectrum>>> = all
                .par_iter()
                .map(|moment| moment.spectrum().map(Arc::new))
                .collect();
            for (target, &index) in targets.iter().zip(&moment_of) {
                let spectrum = spectra.get(index).cloned().flatten();
                per_target
                    .spectra
                    .push(spectrum.ok_or_else(|| OsftError::NoConvergence {
                        layer: target.path.clone(),
                    })?);
            }
        }
        per_target.importance = vec![None; targets.len()];
        for measure in measures {
            let values = calibration.importance(measure)?;
            if values.is_none() {
                per_target.warnings.push(format!(
                    "the importance of the layers by {measure} is degenerate (its mean is not above 0.01): \
                     all {} layers count as equally important",
                    targets.len(),
                ));
            }
            let values: HashMap<&str, f64> = values.into_iter().flatten().collect();
            for (index, path) in paths.iter().enumerate() {
                if rules[index].importance() == Some(measure) {
                    per_target.importance[index] = Some(values.get(path).copied().unwrap_or(1.0));
                }
            }
        }
        per_target.rules = rules;
        Ok(per_target)
    }
}
