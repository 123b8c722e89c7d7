//! Calibration: moments of the inputs of every layer, averaged over all data that is to be retained.

mod calibrator;
mod device_sums;
mod first_tokens;
mod gradients;
mod importance;
mod joined;
mod moment;
mod observation;
mod shrinkage;
mod sketch;
mod sums;
mod symmetric;
mod tokens;
mod union;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use calibrator::{Calibrator, moment_bytes};
pub(crate) use calibrator::{MAX_DENSE_DIMENSION, SKETCH_ROWS};
pub(crate) use device_sums::Total;
pub use moment::Moment;
pub(crate) use moment::{Matrix, Second, Spectrum};
pub(crate) use sketch::Sketch;
pub(crate) use symmetric::Symmetric;
pub(crate) use tokens::{Rows, prepared};
pub(crate) use union::{Union, scale};

use crate::config::MomentConfig;
use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;
use importance::importance;

/// One data set that a calibrator observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Name in reports.
    pub name: String,
    /// Number of observed tokens.
    pub tokens: usize,
    /// Weight among the sources, positive; 1 unless [`Calibration::with_weight`] sets another one.
    pub weight: f64,
}

/// Measurements of one layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LayerCalibration {
    pub path: String,
    /// Index of the moment of its inputs.
    pub moment: usize,
    /// The second moment of the gradients with respect to its outputs, if the split reads it: the mean of
    /// `Gᵀ G / d_in` over rows, where `G` is the gradient of a row's loss with respect to the weight.
    pub gradients: Option<Arc<Moment>>,
    /// Scores on the latest source by the names of the measures of importance.
    pub scores: BTreeMap<String, f64>,
}

/// Moments of the inputs of every target, over one or more sources of data.
///
/// A [`Calibrator`] makes it; [`joined`](Self::joined) adds a source. Its size does not depend on the number
/// of sources: it stores their weighted mean, where each source is normalized by its own number of tokens, and
/// with [`Combine::Union`](crate::Combine::Union) at most one basis per moment beside it. It contains no data.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    pub(crate) sources: Vec<Source>,
    pub(crate) moments: Vec<Arc<Moment>>,
    pub(crate) layers: Vec<LayerCalibration>,
    /// For each moment, the directions that any source needs; empty if the sources are only averaged.
    pub(crate) unions: Vec<Arc<Union>>,
    /// How the moments were summed.
    pub(crate) measured: MomentConfig,
}

impl Calibration {
    /// Sets the weight of this calibration relative to others that [`absorb`](Self::absorb) joins it with.
    ///
    /// # Errors
    ///
    /// [`OsftError::InvalidSourceWeight`] unless the weight is from 10⁻¹⁰⁰ to 10¹⁰⁰.
    pub fn with_weight(mut self, weight: f64) -> Result<Self, OsftError> {
        if !(1e-100..=1e100).contains(&weight) {
            return Err(OsftError::InvalidSourceWeight { weight });
        }
        let factor = weight / self.weight();
        for source in &mut self.sources {
            source.weight *= factor;
        }
        Ok(self)
    }

    /// The observed data sets, oldest first.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Sum of the weights of all sources.
    pub fn weight(&self) -> f64 {
        self.sources.iter().map(|source| source.weight).sum()
    }

    /// The moment of the inputs of the layer at a path; `None` if the calibration has no such layer.
    pub fn moment(&self, path: &str) -> Option<&Moment> {
        self.shared_moment(path).map(Arc::as_ref)
    }

    /// Importance of every layer, by path and in the module's order: its score on the latest source, with
    /// negative scores counted as 0, relative to the mean over layers. `None` if that mean is too small to
    /// carry information.
    ///
    /// # Errors
    ///
    /// [`OsftError::NotMeasured`] if the latest source was observed without [this
    /// measure](Calibrator::with_importance).
    pub fn importance(
        &self,
        measure: ImportanceMeasure,
    ) -> Result<Option<Vec<(&str, f64)>>, OsftError> {
        let paths = self.layers.iter().map(|layer| layer.path.as_str());
        let values = importance(self, measure)?;
        Ok(values.map(|values| paths.zip(values).collect()))
    }

    /// Checks that the moments were summed as a configuration asks for: only then inputs of other rows can be added.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherMoments`] if they were not.
    pub fn check_measured(&self, expected: MomentConfig) -> Result<(), OsftError> {
        match self.measured == expected.measured() {
            true => Ok(()),
            false => Err(OsftError::OtherMoments {
                expected: expected.measured().described(),
                found: self.measured.described(),
            }),
        }
    }

    /// The directions that any source needs of the inputs of the layer at a path.
    pub(crate) fn shared_union(&self, path: &str) -> Option<&Arc<Union>> {
        let layer = self.layers.iter().find(|layer| layer.path == path)?;
        self.unions.get(layer.moment)
    }

    pub(crate) fn shared_moment(&self, path: &str) -> Option<&Arc<Moment>> {
        let layer = self.layers.iter().find(|layer| layer.path == path)?;
        self.moments.get(layer.moment)
    }

    /// The measurements of each layer, by path.
    pub(crate) fn by_path(&self) -> BTreeMap<&str, &LayerCalibration> {
        let layers = self.layers.iter();
        layers.map(|layer| (layer.path.as_str(), layer)).collect()
    }
}
