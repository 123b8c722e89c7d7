//! Splitting a module.

use burn::module::Module;

use crate::config::{OsftConfig, Others};
use crate::error::OsftError;
use crate::module::{RecordedIn, Survey, Trainability, Weight, dtypes, is_half, weights};
use crate::split::{Osft, SplitContext, chosen, round_bases};

impl Osft {
    /// Splits the target weights of a module, in parallel over layers.
    ///
    /// The module is only read; uninitialized parameters are initialized.
    ///
    /// # Errors
    ///
    /// The errors of [`split_in`](Self::split_in), and [`OsftError::NotCalibrated`] for a source or a rule
    /// that needs a calibration.
    ///
    /// # References
    ///
    /// arXiv 2504.07097, section 3.2: the top singular directions of each weight are protected.
    pub fn split<M: Module>(module: &M, config: &OsftConfig) -> Result<Self, OsftError> {
        Self::split_in(module, config, &SplitContext::new())
    }

    /// Splits the target weights of a module, given what the context contains: a calibration of its inputs,
    /// the position in the sequence of tasks, a cache.
    ///
    /// The module is only read (uninitialized parameters are initialized), so everything that was learned
    /// stays in its weights. Make the split for the next task from the weights as they are then, with a new
    /// optimizer, since optimizer moments in the old coordinates mean nothing in the new ones.
    ///
    /// Selected weights that are frozen (`require_grad` is off) are left out, and so are weights that several
    /// places of the module share, since Burn's optimizers would only move the first place.
    /// [`warnings`](Self::warnings) names them. Before a module that trains by a split is split again, finish
    /// it or discard what it has learned.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a target pattern matches nothing, [`OsftError::NoTargetOfShare`] if the
    /// pattern of a share matches no target, [`OsftError::NoLinearLayer`] and [`OsftError::NothingTrains`] if
    /// there is nothing to split, [`OsftError::Reparameterized`] if something is attached to the module.
    /// [`OsftError::TooManyDirections`], [`OsftError::NonFinite`], [`OsftError::OutOfScale`],
    /// [`OsftError::Empty`], [`OsftError::UnsupportedDType`] and [`OsftError::NoConvergence`] name the layer
    /// that cannot be split. [`OsftError::NotCalibrated`], [`OsftError::OtherCalibration`], [`OsftError::OtherMoments`] and
    /// [`OsftError::NotMeasured`] if the calibration is missing, does not fit or is incomplete,
    /// [`OsftError::NoBf16`] if the device does not support bf16, and the errors of [`OsftConfig::validate`].
    pub fn split_in<M: Module>(
        module: &M,
        config: &OsftConfig,
        context: &SplitContext<'_>,
    ) -> Result<Self, OsftError> {
        config.validate()?;
        let survey = Survey::of(module);
        survey.refuse_attachments()?;
        let trainability = Trainability::of(module);
        let recorded = trainability.recorded_in(module);
        let (places, mut warnings) = chosen(&survey, config, |place| {
            recorded.trains(place.id, &place.path)
        })?;
        let mut targets = weights(module, &places);
        warnings.extend(round_bases(&mut targets, config.base_precision)?);
        if config.others == Others::Trained {
            warnings.extend(half_precision_warning(module, &targets, &recorded));
        }
        let mut split = match context.cache {
            Some(cache) => cache.split(&targets, config, context)?,
            None => Self::decomposed(&targets, config, context)?,
        };
        split.trainability = trainability;
        split.warnings.extend(warnings);
        Ok(split)
    }
}

/// A warning about parameters beside the targets that train in a type which loses small steps.
fn half_precision_warning<M: Module>(
    module: &M,
    targets: &[Weight],
    recorded: &RecordedIn<'_>,
) -> Option<String> {
    let mut types = dtypes(module);
    for target in targets {
        types.remove(&target.id);
    }
    types.retain(|id, dtype| is_half(*dtype) && recorded.trains(*id, ""));
    (!types.is_empty()).then(|| {
        format!(
            "{} parameters beside the targets train in two bytes, which lose small steps",
            types.len()
        )
    })
}
