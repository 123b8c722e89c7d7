//! Preparing a module for training by a split, and undoing it.

use std::collections::HashMap;

use burn::module::{Module, ParamId};

use crate::config::Others;
use crate::error::OsftError;
use crate::form::{CoreForm, FactoredForm};
use crate::module::{Place, RecordedIn, Survey, Trainability, check_finite, replaced, set};
use crate::split::{LayerSplit, Osft, round_parameters};

impl Osft {
    /// Prepares a module for training: attaches cores or factors to its targets and freezes what must not
    /// move. The targets keep the values that they have in this module.
    ///
    /// - A target keeps its identity, its save and load mappers and, by `val()`, its value (up to rounding in
    ///   the factored forms, and rounded if the configuration stores it in bf16). Its base stays in the
    ///   module, beside the [`FreeCore`](crate::FreeCore) (or the factors) that trains. Targets without
    ///   protected directions train without an attachment.
    /// - `require_grad` is switched off for the weights of targets that have an attachment or no free
    ///   directions and, with [`Others::Frozen`], for everything else that was part of the module when it was
    ///   split. Parameters that the caller has frozen stay frozen. [`finish`](Self::finish) restores
    ///   `require_grad`.
    /// - Training flags (of dropout, of batch normalization) do not change: if they should, freeze them with
    ///   Burn's `freeze_group`.
    ///
    /// A module that this split has already prepared is returned unchanged, with what it has learned.
    /// Parameters are found by their identity or, if weights were loaded since the split, by their path. A
    /// record of a prepared module can be loaded into a module that the same split has prepared. In the
    /// factored forms, load the weights of an ordinary module before preparing it, not after.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module, [`OsftError::Shared`] if several places
    /// of the module share a target by now, [`OsftError::Reparameterized`] if anything else is attached to
    /// the module, for instance by another split, [`OsftError::TrainabilityChanged`] if a parameter was
    /// frozen or unfrozen since the split, [`OsftError::LimitNotCalibrated`] if outputs are to be held within a bound and
    /// the split was loaded without its calibration.
    pub fn prepare<M: Module>(&self, module: M) -> Result<M, OsftError> {
        let survey = Survey::of(&module);
        let places = self.located(&survey)?;
        self.check_limit()?;
        let attaches = (self.layers.iter()).any(|layer| !layer.attached_ids().is_empty());
        if attaches && self.misattached(&survey, &places).is_none() {
            return Ok(module);
        }
        survey.refuse_attachments()?;
        let recorded = self.trainability.recorded_in(&module);
        let trains_at_split = |id, path: &str| Some(recorded.get(id, path)?.trains);
        let frozen = self.frozen(&recorded, &places);
        if let Some((parameter, trained)) = Trainability::first_mismatch(&module, trains_at_split) {
            // Without attachments, only `require_grad` tells whether a module was prepared.
            let trains_when_prepared =
                |id, path: &str| frozen(id, path).or_else(|| trains_at_split(id, path));
            return match attaches
                || Trainability::first_mismatch(&module, trains_when_prepared).is_some()
            {
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

    /// # Errors
    ///
    /// [`OsftError::LimitNotCalibrated`] if the bound of a layer's outputs cannot be kept.
    fn check_limit(&self) -> Result<(), OsftError> {
        let lacks = |layer: &&LayerSplit| {
            let inputs = layer.inputs.as_ref();
            layer.core.is_some() && inputs.is_some_and(|inputs| inputs.moment.is_none())
        };
        let lacking = self.layers.iter().find(lacks);
        match lacking.filter(|_| self.config.max_output_change.is_some()) {
            Some(layer) => Err(OsftError::LimitNotCalibrated {
                layer: layer.path.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Finishes training: merges cores and factors into their weights, and restores `require_grad` of every
    /// parameter as at the split. Identities, training flags and save and load mappers do not change.
    ///
    /// The weights are rounded to the type that they are stored in: the type of the module or, if it is
    /// narrower, the configured [`BasePrecision`](crate::BasePrecision).
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] and [`OsftError::NotPrepared`] unless this split, and nothing else, has
    /// prepared the module; [`OsftError::NonFinite`] if training has produced NaN or infinite values. If you
    /// need the module after such an error, keep a clone, which shares its tensors.
    pub fn finish<M: Module>(&self, module: M) -> Result<M, OsftError> {
        let survey = Survey::of(&module);
        let places = self.located(&survey)?;
        self.check_attached(&survey, &places)?;
        let with_cores = places.iter().zip(&self.layers);
        let with_cores = with_cores.filter(|(_, layer)| layer.core.is_some());
        let module = round_parameters(
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

    /// The module as it was at the split, for evaluation beside the module that trains. The weights are not
    /// copied, since the split stores them anyway. The given module is only read and can train on. Weights
    /// that are stored in bf16 are widened, so their values are those that were split.
    ///
    /// # Errors
    ///
    /// The errors of [`discard`](Self::discard).
    pub fn disabled<M: Module>(&self, module: &M) -> Result<M, OsftError> {
        self.discard(module.clone())
    }

    /// The module as it was at the split, without anything that was learned since. Targets have the weights
    /// of the split again (rounded if those are stored in bf16), nothing is attached to them, and
    /// `require_grad` of every parameter is restored. State that a forward pass changes, such as running
    /// statistics, does not go back.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] and [`OsftError::NotPrepared`] unless this split, and nothing else, has
    /// prepared the module; [`OsftError::OthersTrained`] with [`Others::Trained`], since more than the
    /// targets may have changed.
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
    /// A split without cores and factors (because everything is free, or nothing is) attaches nothing. For
    /// such a split, every module that it fits and that has no attachments counts as prepared.
    pub fn is_prepared<M: Module>(&self, module: &M) -> bool {
        let survey = Survey::of(module);
        let places = self.located(&survey);
        places.is_ok_and(|places| self.check_attached(&survey, &places).is_ok())
    }

    /// For each parameter `Some(false)` if preparing a module freezes it, otherwise `None`.
    fn frozen<'a>(
        &'a self,
        recorded: &'a RecordedIn<'_>,
        places: &[Place],
    ) -> impl Fn(ParamId, &str) -> Option<bool> + 'a {
        let ids = places.iter().map(|place| place.id);
        let layer_of: HashMap<ParamId, &LayerSplit> = ids.zip(&self.layers).collect();
        let others_train = self.config.others == Others::Trained
            && (self.trainability.trained())
                .any(|(path, _)| !self.layers.iter().any(|layer| layer.path == path));
        // Without a parameter that requires gradients there is no backward pass. Then even targets that
        // cannot move keep `require_grad`, and the optimizer does not move them.
        let mut layers = self.layers.iter();
        let something_trains = others_train || layers.any(|layer| !layer.constraint.is_closed());
        move |id, path| match layer_of.get(&id) {
            Some(layer) if layer.constraint.is_closed() && something_trains => Some(false),
            Some(_) => None,
            None => {
                let freezes = self.config.others == Others::Frozen;
                (freezes && recorded.get(id, path).is_some()).then_some(false)
            }
        }
    }
}
