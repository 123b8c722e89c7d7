//! The rule of every target and its part of the calibration.

use std::collections::HashMap;
use std::sync::Arc;

use crate::calibration::{Moment, Union};
use crate::config::{Combine, OsftConfig};
use crate::error::OsftError;
use crate::module::Weight;
use crate::rule::Rule;
use crate::split::SplitContext;

/// One entry per target, in their order; the moments are empty if the split needs none.
#[derive(Default)]
pub(crate) struct PerTarget {
    pub moments: Vec<Arc<Moment>>,
    /// Moments of the gradients; empty unless the split reads them.
    pub gradients: Vec<Arc<Moment>>,
    /// What any source needs of the inputs; empty unless the split reads it.
    pub unions: Vec<Arc<Union>>,
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
            return match config.needs_calibration() && !context.retains_nothing {
                true => Err(OsftError::NotCalibrated),
                false => Ok(Self {
                    importance: vec![None; targets.len()],
                    rules,
                    ..Self::default()
                }),
            };
        };
        if config.split.needs_calibration() {
            calibration.check_measured(config.moment)?;
        }
        let mut per_target = Self::default();
        let all = &calibration.moments;
        let layers = calibration.by_path();
        for target in targets {
            let [d_in, d_out] = target.value.dims();
            let layer = layers.get(target.path.as_str());
            let moment = layer.and_then(|layer| all.get(layer.moment));
            match moment.filter(|moment| moment.dimension() == d_in) {
                Some(moment) => per_target.moments.push(moment.clone()),
                None => {
                    let layer = target.path.clone();
                    return Err(OsftError::OtherCalibration { layer });
                }
            }
            if config.split.needs_gradients() {
                let gradients = layer.and_then(|layer| layer.gradients.as_ref());
                let gradients = gradients.ok_or_else(|| OsftError::NoGradients {
                    layer: target.path.clone(),
                })?;
                if gradients.dimension() != d_out {
                    let layer = target.path.clone();
                    return Err(OsftError::OtherCalibration { layer });
                }
                per_target.gradients.push(gradients.clone());
            }
        }
        if config.combine == Combine::Union {
            let unions = paths
                .iter()
                .map(|path| calibration.shared_union(path).cloned());
            per_target.unions = unions.collect::<Option<_>>().ok_or(OsftError::NotUnited)?;
        }
        per_target.importance = vec![None; targets.len()];
        for measure in measures {
            let values = calibration.importance(measure)?;
            if values.is_none() {
                per_target.warnings.push(format!(
                    "the importance of the layers by {measure} is degenerate (its mean is too small): \
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
