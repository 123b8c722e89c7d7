//! A module as it is trained by a split, and back.

use std::collections::HashMap;

use burn::module::{Module, ParamId};

use crate::config::Others;
use crate::error::OsftError;
use crate::form::{CoreForm, FactoredForm};
use crate::module::{Place, RecordedIn, Survey, Trainability, check_finite, replaced, set};
use crate::split::{LayerSplit, Osft, stored};

impl Osft {
    /// The module as it is trained: what trains in place of the targets is attached to them, at the
    /// values that they have in this module, and what may not move does not ask for gradients.
    ///
    /// - A target keeps its identity, its way of being saved and loaded, and, by `val()`, its value (up to
    ///   rounding in the factored forms, and rounded where the configuration holds it in bf16). What is
    ///   stored of it stays, beside the [`FreeCore`](crate::FreeCore) (or the factors) that trains. Targets
    ///   of which everything is free train themselves.
    /// - `require_grad` is taken from targets that do not train themselves and, by
    ///   [`Others::Frozen`], from everything else that was part of the module when it was split. What the
    ///   module's owner has frozen stays frozen. [`finish`](Self::finish) gives it all back.
    /// - Training flags (of dropout, of batch normalization) stay as they are: freeze them apart, with
    ///   Burn's `freeze_group`, where that is wanted.
    ///
    /// A module that this split has already prepared is returned as it is, with what it has learned.
    /// Parameters are found by their identity or, where weights were loaded since, by their path. A record
    /// of a prepared module is loaded into one that was prepared by the same split; in the factored forms
    /// the weights of an ordinary module must be loaded before and not after.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module, [`OsftError::Shared`] if one stands at
    /// several places by now, [`OsftError::Reparameterized`] if anything is attached to the module already,
    /// by another split for instance, [`OsftError::TrainabilityChanged`] if a parameter was frozen or
    /// unfrozen since the split.
    pub fn prepare<M: Module>(&self, module: M) -> Result<M, OsftError> {
        let survey = Survey::of(&module);
        let places = self.located(&survey)?;
        let attaches = (self.layers.iter()).any(|layer| !layer.attached_ids().is_empty());
        if attaches && self.misattached(&survey, &places).is_none() {
            return Ok(module);
        }
        survey.refuse_attachments()?;
        let recorded = self.trainability.recorded_in(&module);
        let as_split = |id, path: &str| Some(recorded.get(id, path)?.trains);
        let frozen = self.frozen(&recorded, &places);
        if let Some((parameter, trained)) = Trainability::first_other(&module, as_split) {
            // Where nothing is attached, a module that was prepared is known by what asks for gradients.
            let prepared = |id, path: &str| frozen(id, path).or_else(|| as_split(id, path));
            return match attaches || Trainability::first_other(&module, prepared).is_some() {
                true => Err(OsftError::TrainabilityChanged { parameter, trained }),
                false => Ok(module),
            };
        }
        let module = set(module, frozen);
        let layers = places.iter().zip(&self.layers);
        let layers = layers.map(|(place, layer)| (place.id, layer));
        Ok(match self.config.form.is_factored() {
            true => module.apply_reparameterization(FactoredForm::new(layers)),
            false => {
                let precision = self.config.base_precision;
                module.apply_reparameterization(CoreForm::new(layers, precision))
            }
        })
    }

    /// The module after the last step: cores and factors are merged into the weights they belong to, and
    /// every parameter trains or not as it did when the module was split. Identities, training flags and
    /// ways of being saved and loaded are what they were.
    ///
    /// Weights are rounded to the precision that they are stored in: that of the module, and where the
    /// configuration holds them in less, that ([`BasePrecision`](crate::BasePrecision)).
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] and [`OsftError::NotPrepared`] unless this split, and nothing else, has
    /// prepared the module, [`OsftError::NonFinite`] if training has left values that are no numbers. Keep a
    /// clone, which shares its tensors, of a module that is wanted after such an error.
    pub fn finish<M: Module>(&self, module: M) -> Result<M, OsftError> {
        let survey = Survey::of(&module);
        let places = self.located(&survey)?;
        self.check_attached(&survey, &places)?;
        let with_cores = places.iter().zip(&self.layers);
        let with_cores = with_cores.filter(|(_, layer)| layer.core.is_some());
        let module = stored(
            module.materialize(),
            self.config.base_precision,
            with_cores.map(|(place, _)| place.id),
        );
        let module = self.trainability.restored(module);
        let recorded = self.trainability.recorded_in(&module);
        check_finite(&module, |id, path| {
            let mut targets = places.iter();
            targets.any(|place| place.id == id)
                || (self.config.others == Others::Trained && recorded.trains(id, path))
        })?;
        Ok(module)
    }

    /// The module as it was at the split, for evaluation beside one that trains: no second copy of the
    /// weights is made, since those of the split are there anyway. The module that is given is only read and
    /// goes on training. Weights that are held in bf16 are widened, and are those that were split.
    ///
    /// # Errors
    ///
    /// As [`discard`](Self::discard).
    pub fn disabled<M: Module>(&self, module: &M) -> Result<M, OsftError> {
        self.discard(module.clone())
    }

    /// The module as it was at the split, whatever has been trained since: targets have the weights of the
    /// split again (as they were held: rounded where that was bf16), nothing is attached to them, and every
    /// parameter trains or not as it did. What changes by itself in a forward pass, such as running
    /// statistics, stays as it is now.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] and [`OsftError::NotPrepared`] unless this split, and nothing else, has
    /// prepared the module, [`OsftError::OthersTrained`] where more than the targets may have changed.
    pub fn discard<M: Module>(&self, module: M) -> Result<M, OsftError> {
        if self.config.others == Others::Trained {
            return Err(OsftError::OthersTrained);
        }
        let survey = Survey::of(&module);
        let places = self.located(&survey)?;
        self.check_attached(&survey, &places)?;
        let starts = places.iter().zip(&self.layers);
        let starts = starts.map(|(place, layer)| (place.id, layer.start.clone()));
        let module = replaced(module.materialize(), starts.collect());
        Ok(self.trainability.restored(module))
    }

    /// Whether this split, and nothing else, has prepared the module. Of several splits of one module, at
    /// most one has. The module is only read.
    ///
    /// Where a split leaves nothing to train through cores or factors (everything is free, or nothing is),
    /// it attaches nothing, and every module that it fits and that has nothing attached counts as prepared.
    pub fn is_prepared<M: Module>(&self, module: &M) -> bool {
        let survey = Survey::of(module);
        let places = self.located(&survey);
        places.is_ok_and(|places| self.check_attached(&survey, &places).is_ok())
    }

    /// Which parameters stop asking for gradients, or go on, when a module is prepared.
    fn frozen<'a>(
        &'a self,
        recorded: &'a RecordedIn<'_>,
        places: &[Place],
    ) -> impl Fn(ParamId, &str) -> Option<bool> + 'a {
        let ids = places.iter().map(|place| place.id);
        let of: HashMap<ParamId, &LayerSplit> = ids.zip(&self.layers).collect();
        let others_train = self.config.others == Others::Trained
            && (self.trainability.trained())
                .any(|(path, _)| !self.layers.iter().any(|layer| layer.path == path));
        // A module in which nothing asks for gradients has no backward pass: there even what cannot
        // move asks for them, and the optimizer does not move it.
        let mut layers = self.layers.iter();
        let something_trains = others_train || layers.any(|layer| !layer.constraint.is_closed());
        move |id, path| match of.get(&id) {
            Some(layer) if layer.constraint.is_closed() && something_trains => Some(false),
            Some(_) => None,
            None => {
                let freezes = self.config.others == Others::Frozen;
                (freezes && recorded.get(id, path).is_some()).then_some(false)
            }
        }
    }
}
