//! Locating the layers of a split in a module, and checking their attachments.

use burn::module::ParamId;

use crate::error::OsftError;
use crate::module::{Place, Survey};
use crate::split::{LayerSplit, Osft};

impl Osft {
    /// Locates the layers in a module.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if the module lacks a layer or has it in another shape,
    /// [`OsftError::Shared`] if several places of the module share its weight.
    pub(crate) fn located(&self, survey: &Survey) -> Result<Vec<Place>, OsftError> {
        let identities = self.layers.iter().map(|layer| layer.id).collect();
        let layers = self.layers.iter();
        layers
            .map(|layer| {
                let place = survey.find(layer.id, &layer.path, &identities);
                let place = place.filter(|place| place.has_shape(layer.shape));
                let place = place.cloned().ok_or_else(|| layer.not_in_module())?;
                match place.also {
                    Some(also) => Err(OsftError::Shared {
                        layer: place.path,
                        also,
                    }),
                    None => Ok(place),
                }
            })
            .collect()
    }

    /// # Errors
    ///
    /// [`OsftError::NotPrepared`] unless the attachments of the module are exactly those of this split.
    pub(crate) fn check_attached(
        &self,
        survey: &Survey,
        places: &[Place],
    ) -> Result<(), OsftError> {
        match self.misattached(survey, places) {
            None => Ok(()),
            Some(layer) => Err(OsftError::NotPrepared {
                layer,
                name: self.name.clone(),
            }),
        }
    }

    /// The first parameter whose attachment differs from that of this split.
    pub(crate) fn misattached(&self, survey: &Survey, places: &[Place]) -> Option<String> {
        let layers = || self.layers.iter().zip(places);
        let missing = layers().find(|(layer, place)| {
            let attachment = survey.attachment(&place.path);
            layer.attached_ids() != attachment.map_or(&[][..], |attachment| &attachment.parts)
        });
        let missing = missing.map(|(layer, _)| layer.path.clone());
        let foreign = || {
            let mut attachments = survey.attachments.iter();
            attachments.find(|attachment| layers().all(|(_, place)| place.path != attachment.path))
        };
        missing.or_else(|| foreign().map(|attachment| attachment.path.clone()))
    }
}

impl LayerSplit {
    pub(crate) fn not_in_module(&self) -> OsftError {
        OsftError::OtherModule {
            layer: self.path.clone(),
            d_in: self.shape[0],
            d_out: self.shape[1],
        }
    }

    /// Identities of the parameters that are attached to the weight while it trains.
    pub(crate) fn attached_ids(&self) -> Vec<ParamId> {
        match (&self.factors, self.core) {
            (Some(factors), _) => {
                let ids = factors.ids;
                vec![ids.input, ids.scale, ids.output]
            }
            (None, Some(core)) => vec![core],
            (None, None) => Vec::new(),
        }
    }
}
