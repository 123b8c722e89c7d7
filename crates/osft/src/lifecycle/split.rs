//! A module is split.

use burn::module::Module;

use crate::config::{OsftConfig, Others};
use crate::error::OsftError;
use crate::module::{RecordedIn, Survey, Trainability, Weight, dtypes, is_half, weights};
use crate::split::{Osft, SplitContext, chosen, hold};

impl Osft {
    /// Splits the target weights of a module, in parallel over layers.
    ///
    /// The module is only read; parameters that were built and not filled are filled.
    ///
    /// # Errors
    ///
    /// As [`split_in`](Self::split_in); a source or a rule that needs calibration is
    /// [`OsftError::NotCalibrated`] here.
    ///
    /// # References
    ///
    /// arXiv 2504.07097, section 3.2: the top singular directions of each weight are protected.
    pub fn split<M: Module>(module: &M, config: &OsftConfig) -> Result<Self, OsftError> {
        Self::split_in(module, config, &SplitContext::new())
    }

    /// Splits the target weights of a module by what is known of its inputs and of the sequence
    /// of tasks.
    ///
    /// The module is only read (parameters that were built and not filled are filled): what was learned stays
    /// in its weights. A split for the next task
    /// is made from the weights as they are then, with a new optimizer, since moments of the old
    /// coordinates mean nothing in the new ones.
    ///
    /// Selected weights that are frozen (`require_grad` is off) are left out, and so are those that stand
    /// at several places of the module, of which Burn's optimizers would move the first alone;
    /// [`warnings`](Self::warnings) names them. A module that trains by a split is finished, or what it
    /// learned is discarded, before it is split again.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::NoTargetOfShare`] if one that gives
    /// a share does, [`OsftError::NoLinearLayer`] and
    /// [`OsftError::NothingTrains`] if there is nothing to split, [`OsftError::Reparameterized`] if
    /// something is attached to the module, [`OsftError::TooManyDirections`],
    /// [`OsftError::NonFinite`], [`OsftError::OutOfScale`], [`OsftError::Empty`] and
    /// [`OsftError::UnsupportedDType`] naming the layer,
    /// [`OsftError::NotCalibrated`], [`OsftError::OtherCalibration`], [`OsftError::NotMeasured`],
    /// [`OsftError::NoConvergence`], [`OsftError::NoBf16`], and what [`OsftConfig::validate`] finds.
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
        warnings.extend(hold(&mut targets, config.base_precision)?);
        if config.others == Others::Trained {
            warnings.extend(in_two_bytes(module, &targets, &recorded));
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

/// A word about parameters beside the targets that train in a precision that cannot hold small steps.
fn in_two_bytes<M: Module>(
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
