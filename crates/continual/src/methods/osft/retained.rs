//! What is retained so far, and how it is saved.

use ::osft::{Calibration, Calibrator, OsftConfig, OsftError, SinceBase, Targets};
use burn::module::Module;
use lm::LanguageModel;

use crate::calibration::{CalibrationData, calibrate};
use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::TimedPart;
use crate::error::ContinualError;
use crate::method::TaskContext;

/// Names of the parts of a saved state; some end with a number.
mod part {
    pub const BASE: &str = "base-calibration";
    pub const RETAINED: &str = "calibration-";
    pub const BOUNDS: &str = "since-base-";
}

/// The inputs of everything that is to be retained so far.
#[derive(Clone, Debug)]
pub(super) struct Retained {
    pub calibration: Calibration,
    /// The change since the base model; `None` if the base model is not calibrated on.
    pub since_base: Option<SinceBase>,
    /// Number of tasks in `calibration`.
    pub tasks: usize,
}

impl Retained {
    /// Measures the rows that stand for what the base model knows.
    pub(super) fn of_base<M: LanguageModel>(
        model: &M,
        config: &OsftConfig,
        data: &CalibrationData,
        context: TaskContext<'_>,
    ) -> Result<Self, ContinualError> {
        let clock = context.clock;
        let base = clock.time(TimedPart::Calibration, || {
            let calibrator =
                Calibrator::for_config(model, config)?.with_sums_on_device(data.sums_on_device);
            calibrate(model, calibrator, &data.base_name, &data.base, data.batch)
        })?;
        let base = base.with_weight(data.base_weight)?;
        let since_base = clock.time(TimedPart::Uncounted, || {
            SinceBase::new(model, &config.targets, &base)
        })?;
        let calibration = clock.time(TimedPart::Calibration, || {
            Calibration::joined(None, base, config, 0, context.count)
        })?;
        Ok(Self {
            since_base: Some(since_base),
            calibration,
            tasks: 0,
        })
    }

    /// Adds the inputs of the learned task `task` of `tasks`.
    pub(super) fn joined(
        earlier: Option<Self>,
        learned: Calibration,
        config: &OsftConfig,
        task: usize,
        tasks: usize,
    ) -> Result<Self, OsftError> {
        let (earlier, since_base, learned_before) = match earlier {
            Some(earlier) => (Some(earlier.calibration), earlier.since_base, earlier.tasks),
            None => (None, None, 0),
        };
        Ok(Self {
            calibration: Calibration::joined(earlier, learned, config, task, tasks)?,
            since_base,
            tasks: learned_before + 1,
        })
    }

    /// What a resumed run needs.
    pub(super) fn parts(&self) -> Vec<StatePart<'_>> {
        let mut parts = self.carried();
        if let Some(since_base) = &self.since_base {
            // A name stands for one content: the first rounding may be recorded after a task has been taken over.
            let state = match since_base.has_no_record() {
                true => "-unmoved",
                false => "",
            };
            let name = format!("{}{}{state}.json", part::BOUNDS, self.tasks);
            parts.push(StatePart::bytes(name.clone(), move || {
                let bounds = since_base.length_bounds();
                serde_json::to_vec(&bounds).map_err(ContinualError::saving(name.as_ref()))
            }));
        }
        parts
    }

    /// What a later sequence needs.
    pub(super) fn carried(&self) -> Vec<StatePart<'_>> {
        let mut parts = Vec::new();
        if let Some(since_base) = &self.since_base {
            let name = format!("{}.safetensors", part::BASE);
            let base = since_base.base();
            parts.push(StatePart::bytes(name, || Ok(base.to_bytes()?)));
        }
        let name = format!("{}{}.safetensors", part::RETAINED, self.tasks);
        parts.push(StatePart::bytes(name, || {
            Ok(self.calibration.to_bytes()?)
        }));
        parts
    }

    /// Of a later sequence, whose base is `model`; `None` if nothing was carried.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is of a model with other targets.
    pub(super) fn taken_over<M: Module>(
        model: &M,
        targets: &Targets,
        carried: &Checkpoint,
    ) -> Result<Option<Self>, ContinualError> {
        let Some(name) = carried.find(part::RETAINED) else {
            return Ok(None);
        };
        let calibration = calibration_in(carried, &name)?;
        let sources = calibration.sources().len();
        let first = carried.find(part::BASE);
        let first = first
            .map(|name| calibration_in(carried, &name))
            .transpose()?;
        let of_base = first.as_ref().map_or(0, |first| first.sources().len());
        let since_base = first.map(|first| SinceBase::new(model, targets, &first));
        Ok(Some(Self {
            calibration,
            since_base: since_base.transpose()?,
            tasks: sources.saturating_sub(of_base),
        }))
    }

    /// Of a resumed run, which started from `base`; `None` if nothing was retained yet.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is of a model with other targets.
    pub(super) fn restored<M: Module>(
        base: &M,
        targets: &Targets,
        saved: &Checkpoint,
    ) -> Result<Option<Self>, ContinualError> {
        let Some(mut retained) = Self::taken_over(base, targets, saved)? else {
            return Ok(None);
        };
        if let (Some(since_base), Some(name)) =
            (retained.since_base.take(), saved.find(part::BOUNDS))
        {
            let lengths: Vec<f64> = saved.json(&name)?;
            let Some(since_base) = since_base.with_length_bounds(&lengths) else {
                return Err(saved.broken(&name, &"it is of a model with other targets"));
            };
            retained.since_base = Some(since_base);
        }
        Ok(Some(retained))
    }
}

/// A saved calibration; an error names its file.
fn calibration_in(saved: &Checkpoint, name: &str) -> Result<Calibration, ContinualError> {
    Calibration::from_bytes(&saved.read(name)?).map_err(|error| saved.broken(name, &error))
}
