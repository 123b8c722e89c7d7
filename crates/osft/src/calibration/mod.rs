//! What the layers of a network see: moments of their inputs, one for all data to be kept.

mod calibrator;
mod importance;
mod moment;
mod sketch;
mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use calibrator::Calibrator;
pub(crate) use calibrator::{MAX_DENSE_DIMENSION, SKETCH_ROWS};
pub use moment::Moment;
pub(crate) use moment::{Second, Spectrum};
pub(crate) use sketch::Sketch;

use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;
use importance::importance;

/// One body of data that was observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name in reports.
    pub name: String,
    /// Number of inputs that each layer saw.
    pub tokens: usize,
    /// Its weight among the sources.
    pub weight: f64,
}

/// What is known of one layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LayerCalibration {
    pub path: String,
    /// Which of the moments its inputs have.
    pub moment: usize,
    /// Mean over the latest source's tokens of `cos(x, y)`, where it was measured.
    pub cosine: Option<f64>,
    /// Linear CKA between inputs and outputs on the latest source, where it was measured.
    pub linear_cka: Option<f64>,
}

/// Moments of the inputs of every target, over one or more sources of data.
///
/// Made by a [`Calibrator`]; [`absorb`](Self::absorb) adds a source. Its size does not depend on
/// the number of sources: what is held is their weighted mean, each source normalized by its own
/// tokens. No data is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    pub(crate) sources: Vec<Source>,
    pub(crate) moments: Vec<Arc<Moment>>,
    pub(crate) layers: Vec<LayerCalibration>,
}

impl Calibration {
    /// The same with that weight among the sources it is joined with.
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

    /// Adds what another pass has seen; importance is the other's from now on, since the paper
    /// takes it from the task before.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherCalibration`] if the layers of the two, or their groups, are not the same,
    /// [`OsftError::OtherSketch`]. Nothing is added then.
    pub fn absorb(&mut self, newer: &Self) -> Result<(), OsftError> {
        let other = |layer: &str| OsftError::OtherCalibration {
            layer: layer.to_string(),
        };
        let theirs = newer.by_path();
        let stranger = |layer: &&LayerCalibration| !theirs.contains_key(layer.path.as_str());
        if let Some(layer) = self.layers.iter().find(stranger) {
            return Err(other(&layer.path));
        }
        let own = self.by_path();
        let unknown = |layer: &&LayerCalibration| !own.contains_key(layer.path.as_str());
        if let Some(layer) = newer.layers.iter().find(unknown) {
            return Err(other(&layer.path));
        }
        // The moments' order is that in which the layers were first observed, which may be another.
        let mut moment_of: BTreeMap<usize, usize> = BTreeMap::new();
        let mut layers = self.layers.clone();
        for layer in &mut layers {
            let found = theirs[layer.path.as_str()];
            if *moment_of.entry(layer.moment).or_insert(found.moment) != found.moment {
                return Err(other(&layer.path));
            }
            (layer.cosine, layer.linear_cka) = (found.cosine, found.linear_cka);
        }
        let total = self.weight() + newer.weight();
        let (old, new) = (self.weight() / total, newer.weight() / total);
        let mut moments = self.moments.clone();
        for layer in &self.layers {
            let (index, found) = (layer.moment, moment_of[&layer.moment]);
            // Layers that share a moment share the sum.
            if !Arc::ptr_eq(&moments[index], &self.moments[index]) {
                continue;
            }
            let mixed = Moment::clone(&moments[index]).mixed(old, &newer.moments[found], new);
            let mixed = mixed.ok_or_else(|| {
                let same = moments[index].dimension() == newer.moments[found].dimension();
                let layer = layer.path.clone();
                match same {
                    true => OsftError::OtherSketch { layer },
                    false => OsftError::OtherCalibration { layer },
                }
            })?;
            moments[index] = Arc::new(mixed);
        }
        self.moments = moments;
        self.sources.extend(newer.sources.iter().cloned());
        self.layers = layers;
        Ok(())
    }

    /// The data it was made from, oldest first.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Sum of the sources' weights.
    pub fn weight(&self) -> f64 {
        self.sources.iter().map(|source| source.weight).sum()
    }

    /// The moment of a layer's inputs.
    pub fn moment(&self, path: &str) -> Option<&Moment> {
        self.shared_moment(path).map(Arc::as_ref)
    }

    /// Importance of every layer, by path and in the module's order: scores on the latest source,
    /// negative ones counted as 0, relative to their mean. `None` where that mean is degenerate.
    ///
    /// # Errors
    ///
    /// [`OsftError::NotMeasured`] unless the latest source was observed
    /// [with that measure](Calibrator::with_importance).
    pub fn importance(
        &self,
        measure: ImportanceMeasure,
    ) -> Result<Option<Vec<(&str, f64)>>, OsftError> {
        let paths = self.layers.iter().map(|layer| layer.path.as_str());
        let values = importance(self, measure)?;
        Ok(values.map(|values| paths.zip(values).collect()))
    }

    pub(crate) fn shared_moment(&self, path: &str) -> Option<&Arc<Moment>> {
        let layer = self.layers.iter().find(|layer| layer.path == path)?;
        self.moments.get(layer.moment)
    }

    /// What is known of each layer, by path.
    pub(crate) fn by_path(&self) -> BTreeMap<&str, &LayerCalibration> {
        let layers = self.layers.iter();
        layers.map(|layer| (layer.path.as_str(), layer)).collect()
    }
}
