//! What a calibration says about the targets of a split, looked up and decomposed once.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::calibration::{Moment, Spectrum};
use crate::targets::Weight;
use crate::{OsftConfig, OsftError, ShareRule, SplitContext};

/// One entry per target, in their order; empty where the split needs none.
#[derive(Default)]
pub(crate) struct Known {
    pub moments: Vec<Arc<Moment>>,
    pub spectra: Vec<Arc<Spectrum>>,
    pub importance: Vec<f64>,
    pub warnings: Vec<String>,
}

impl Known {
    pub(crate) fn new(
        targets: &[Weight],
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        let adaptive = match config.protected_share {
            ShareRule::Adaptive(adaptive) => Some(adaptive),
            _ => None,
        };
        let Some(calibration) = context.calibration else {
            return match config.split.needs_calibration() || adaptive.is_some() {
                true => Err(OsftError::NotCalibrated),
                false => Ok(Self::default()),
            };
        };
        let mut found = Self::default();
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
                    found.moments.push(moment.clone());
                }
                None => {
                    let layer = target.path.clone();
                    return Err(OsftError::OtherCalibration { layer });
                }
            }
        }
        if config.split.needs_calibration() {
            // Layers that share their inputs share the decomposition too.
            let spectra: Vec<Option<Arc<Spectrum>>> = all
                .par_iter()
                .map(|moment| moment.spectrum().map(Arc::new))
                .collect();
            for (target, &index) in targets.iter().zip(&moment_of) {
                let spectrum = spectra.get(index).cloned().flatten();
                found
                    .spectra
                    .push(spectrum.ok_or_else(|| OsftError::NoConvergence {
                        layer: target.path.clone(),
                    })?);
            }
        }
        if let Some(adaptive) = adaptive {
            found.importance = match calibration.importance(adaptive.importance)? {
                Some(values) => {
                    let values: HashMap<&str, f64> = values.into_iter().collect();
                    let of = |target: &Weight| values.get(target.path.as_str()).copied();
                    targets
                        .iter()
                        .map(|target| of(target).unwrap_or(1.0))
                        .collect()
                }
                None => {
                    found.warnings.push(format!(
                        "the importance of the layers is degenerate (its mean is not above 0.01): \
                         all {} layers get the same protected share, {}",
                        targets.len(),
                        adaptive.max
                    ));
                    vec![1.0; targets.len()]
                }
            };
        }
        Ok(found)
    }
}
