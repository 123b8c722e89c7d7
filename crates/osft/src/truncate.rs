//! A module without the free part of its weights.

use burn::module::Module;

use crate::prepare::replaced;
use crate::survey::{Survey, values};
use crate::{Osft, OsftError};

impl Osft {
    /// The module with the free part of every target dropped: what is left of a weight is what the
    /// split protects. Everything else stays: identities, flags, what trains.
    ///
    /// How much worse the module is for it says how much the free directions carry: the smallest
    /// singular directions are not inert in every network.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module, [`OsftError::Reparameterized`] if
    /// something is attached to the module.
    pub fn truncate<M: Module>(&self, module: M) -> Result<M, OsftError> {
        let survey = Survey::of(&module);
        survey.refuse_attachments()?;
        let places = self.located(&survey)?;
        let mut whole = values(&module, &places.iter().map(|place| place.id).collect());
        let layers = self.layers.iter().zip(places);
        let cut = layers.filter_map(|(layer, place)| {
            let stored = whole.remove(&place.id)?;
            let constraint = layer.constraint.beside(&stored);
            let weight = stored.cast(constraint.dtype());
            let free = constraint.lift(constraint.lower(weight.clone()));
            Some((place.id, weight - free))
        });
        let cut = cut.collect();
        Ok(replaced(module, cut))
    }
}
