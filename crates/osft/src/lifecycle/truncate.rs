//! Removing the free part of the weights.

use burn::module::Module;
use burn::tensor::DType;

use crate::error::OsftError;
use crate::module::{Survey, changed, computed, dtypes, replaced, values};
use crate::split::Osft;

impl Osft {
    /// The module without the free part of every target: only the protected part of a weight is left.
    /// Identities, training flags and `require_grad` do not change.
    ///
    /// The loss in quality shows how much the free directions carry: the smallest singular directions are not
    /// inert in every network.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module, [`OsftError::Reparameterized`] if
    /// something is attached to the module, [`OsftError::UnsupportedDType`] if a target is quantized,
    /// [`OsftError::ScaledDirections`] if directions are [scaled](crate::Scaling).
    pub fn truncate<M: Module>(&self, module: M) -> Result<M, OsftError> {
        let survey = Survey::of(&module);
        survey.refuse_attachments()?;
        let places = self.located(&survey)?;
        let mut layers = self.layers.iter();
        if let Some(layer) = layers.find(|layer| layer.mean_scale.is_some()) {
            return Err(OsftError::ScaledDirections {
                layer: layer.path.clone(),
            });
        }
        let types = dtypes(&module);
        let quantized = |dtype: &DType| matches!(dtype, DType::QFloat(_));
        let mut all = places.iter();
        if let Some(place) = all.find(|place| types.get(&place.id).is_some_and(quantized)) {
            return Err(OsftError::UnsupportedDType {
                layer: place.path.clone(),
                dtype: "quantized numbers".to_string(),
            });
        }
        let mut whole = values(&module, &places.iter().map(|place| place.id).collect());
        let layers = self.layers.iter().zip(places);
        let truncated = layers.filter_map(|(layer, place)| {
            let stored = whole.remove(&place.id)?;
            let constraint = layer.constraint.beside(&stored);
            let dtype = constraint.dtype().unwrap_or(computed(stored.dtype()));
            let weight = stored.clone().cast(dtype);
            let free = constraint.lift(constraint.lower(weight));
            Some((place.id, changed(stored, -free)))
        });
        let truncated = truncated.collect();
        Ok(replaced(module, truncated))
    }
}
