//! The decomposed input moments of the layers that are being split.

use std::sync::Arc;

use rayon::prelude::*;

use crate::calibration::{Moment, Spectrum};
use crate::error::OsftError;
use crate::module::Weight;

/// Spectra of the moments of one batch of layers, beside the directions of first tokens. Those of all layers at once would take as much memory as
/// the moments in f64.
#[derive(Default)]
pub(super) struct Spectra(Vec<(Arc<Moment>, Spectrum)>);

impl Spectra {
    /// The spectrum of a layer's moment; `None` if the batch has no such moment.
    pub(super) fn of(&self, moment: &Arc<Moment>) -> Option<&Spectrum> {
        let mut found = self.0.iter();
        found
            .find(|(own, _)| Arc::ptr_eq(own, moment))
            .map(|(_, spectrum)| spectrum)
    }

    /// The spectra of the next batch of layers. Spectra of this batch that the next one needs too are kept; the
    /// others are dropped, and what is missing is decomposed. Layers that share an input share its spectrum.
    /// `moments` has one entry per target, or none if the split reads no inputs.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoConvergence`] if a decomposition does not converge.
    pub(super) fn for_batch(
        self,
        batch: &[(usize, &Weight)],
        moments: &[Arc<Moment>],
    ) -> Result<Self, OsftError> {
        let mut kept = self.0;
        let mut missing: Vec<(&Arc<Moment>, &Weight)> = Vec::new();
        let mut wanted: Vec<&Arc<Moment>> = Vec::new();
        for &(index, target) in batch {
            let Some(moment) = moments.get(index) else {
                continue;
            };
            if wanted.iter().any(|other| Arc::ptr_eq(other, moment)) {
                continue;
            }
            wanted.push(moment);
            if !kept.iter().any(|(own, _)| Arc::ptr_eq(own, moment)) {
                missing.push((moment, target));
            }
        }
        kept.retain(|(own, _)| wanted.iter().any(|moment| Arc::ptr_eq(own, moment)));
        let decomposed: Result<Vec<_>, OsftError> = missing
            .into_par_iter()
            .map(|(moment, target)| match moment.spectrum_beside_first() {
                Some(spectrum) => Ok((moment.clone(), spectrum)),
                None => Err(OsftError::NoConvergence {
                    layer: target.path.clone(),
                }),
            })
            .collect();
        kept.extend(decomposed?);
        Ok(Self(kept))
    }
}
