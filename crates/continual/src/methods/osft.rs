//! OSFT: protect directions of every target weight, train inside the rest.

use ::osft::{
    BasePrecision, Calibration, Calibrator, KeptInput, Osft, OsftConfig, Others, SinceBase,
    SplitCache, SplitContext,
};
use burn::module::Param;
use burn::optim::{AdamW, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use lm::{InputNeeded, LanguageModel, LinearMap};

use super::{Method, TaskContext, TaskDiagnostics};
use crate::calibrate::spread;
use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::synchronize;
use crate::trainer::read_rows;
use crate::{CalibrationData, ContinualError, TimedPart, calibrate};

/// Orthogonal Subspace Fine-Tuning; the split is made anew for every task from the weights as
/// they are.
///
/// With calibration data, the inputs of the base model are measured before the first task and
/// those of every learned task after it: sources and rules that look at inputs split by their
/// mean, and every report says how far the layers' outputs have moved.
#[derive(Clone, Debug)]
pub struct OsftMethod {
    config: OsftConfig,
    data: Option<CalibrationData>,
    cache: Option<SplitCache>,
    known: Option<Known>,
    split: Option<Osft>,
    /// Number of tasks begun, which tells the parts of a saved state apart.
    begun: usize,
}

#[derive(Clone, Debug)]
struct Known {
    /// Everything that is to be kept so far.
    calibration: Calibration,
    since_base: SinceBase,
    /// Number of tasks in it.
    tasks: usize,
}

/// Names of the parts of a saved state, before the number that tells them apart.
mod part {
    pub const BASE: &str = "base-calibration";
    pub const KNOWN: &str = "calibration-";
    pub const BOUNDS: &str = "since-base-";
    pub const SPLIT: &str = "split-";
}

impl OsftMethod {
    /// OSFT with one configuration for all tasks.
    pub fn new(config: OsftConfig) -> Self {
        Self {
            config,
            data: None,
            cache: None,
            known: None,
            split: None,
            begun: 0,
        }
    }

    /// Measures the inputs of the base model and of every learned task.
    pub fn with_calibration(mut self, data: CalibrationData) -> Self {
        self.data = Some(data);
        self
    }

    /// Looks for splits in a folder before it makes them, and leaves them there.
    pub fn with_split_cache(mut self, cache: SplitCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// The split of the task that has begun.
    pub fn current_split(&self) -> Option<&Osft> {
        self.split.as_ref()
    }

    /// Splits a model for a task; before the first one, its inputs are measured.
    fn split<M: LanguageModel>(
        &mut self,
        model: &M,
        context: TaskContext<'_>,
    ) -> Result<Osft, ContinualError> {
        let (targets, clock) = (&self.config.targets, context.clock);
        if let (None, Some(data)) = (&self.known, &self.data) {
            let base = clock.time(TimedPart::Calibration, || {
                let calibrator = Calibrator::for_config(model, &self.config)?;
                calibrate(model, calibrator, &data.base_name, &data.base, data.batch)
            })?;
            let base = base.with_weight(data.base_weight)?;
            let since_base = clock.time(TimedPart::Uncounted, || {
                SinceBase::new(model, targets, &base)
            })?;
            self.known = Some(Known {
                since_base,
                calibration: base,
                tasks: 0,
            });
        }
        let mut around = SplitContext::new().for_task(context.index, context.count);
        if let Some(known) = &self.known {
            around = around.with_calibration(&known.calibration);
        }
        if let Some(cache) = &self.cache {
            around = around.with_cache(cache);
        }
        let split = clock.time(TimedPart::Split, || {
            Osft::split_in(model, &self.config, &around)
        })?;
        if let (0, BasePrecision::Bf16, Some(known)) =
            (context.index, self.config.base_precision, &mut self.known)
        {
            // The base model was rounded to be held; later ones are what the task before left.
            clock.time(TimedPart::Uncounted, || {
                let rounded = split.finish(split.prepare(model.clone())?)?;
                let changes = known.since_base.measure(&rounded)?;
                known.since_base.record_measured(&changes)
            })?;
        }
        Ok(split)
    }
}

/// Multiplies by weights that are trained through a core without holding them; see [`Osft::linear`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ThroughCores;

impl LinearMap for ThroughCores {
    fn apply(
        &self,
        weight: &Param<Tensor<2>>,
        x: &Tensor<3>,
        needed: InputNeeded,
    ) -> Option<Tensor<3>> {
        let kept = match needed {
            InputNeeded::Here => KeptInput::Coordinates,
            InputNeeded::Elsewhere => KeptInput::Whole,
        };
        Osft::linear_keeping(weight, x, kept)
    }
}

impl<M: LanguageModel> Method<M> for OsftMethod {
    fn name(&self) -> &str {
        "osft"
    }

    fn begin_task(
        &mut self,
        model: M,
        inner: AdamW,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let split = match self.split.take() {
            // Taken up again in the middle of the task.
            Some(split) => split,
            None => self.split(&model, context)?,
        };
        let model = split.prepare(model)?;
        let optimizer = split.optimizer(inner)?;
        self.split = Some(split);
        self.begun = context.index + 1;
        Ok((model, optimizer))
    }

    fn linear_map(&self) -> &dyn LinearMap {
        &ThroughCores
    }

    fn project(&self, grads: GradientsParams) -> GradientsParams {
        match &self.split {
            Some(split) => split.project(grads),
            None => grads,
        }
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        let mut parts = Vec::new();
        if let Some(known) = &self.known {
            let base = known.since_base.base();
            parts.push(StatePart::bytes(
                format!("{}.safetensors", part::BASE),
                || Ok(base.to_bytes()?),
            ));
            parts.push(StatePart::bytes(
                format!("{}{}.safetensors", part::KNOWN, known.tasks),
                || Ok(known.calibration.to_bytes()?),
            ));
            let name = format!("{}{}.json", part::BOUNDS, known.tasks);
            parts.push(StatePart::bytes(name.clone(), move || {
                let bounds = known.since_base.length_bounds();
                serde_json::to_vec(&bounds).map_err(ContinualError::saving(name.as_ref()))
            }));
        }
        if let Some(split) = &self.split {
            parts.push(StatePart::bytes(
                format!("{}{}.safetensors", part::SPLIT, self.begun),
                || Ok(split.to_bytes()?),
            ));
        }
        parts
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        if let (Some(first), Some(known), Some(bounds)) = (
            saved.find(part::BASE),
            saved.find(part::KNOWN),
            saved.find(part::BOUNDS),
        ) {
            let first = Calibration::from_bytes(&saved.read(&first)?)?;
            let since_base = SinceBase::new(base, &self.config.targets, &first)?;
            let lengths: Vec<f64> = saved.json(&bounds)?;
            let Some(since_base) = since_base.with_length_bounds(&lengths) else {
                return Err(saved.broken(&bounds, &"it is of a model with other targets"));
            };
            let calibration = Calibration::from_bytes(&saved.read(&known)?)?;
            self.known = Some(Known {
                since_base,
                tasks: calibration.sources().len() - first.sources().len(),
                calibration,
            });
        }
        if let Some(name) = saved.find(part::SPLIT) {
            let mut around = SplitContext::new();
            if let Some(known) = &self.known {
                around = around.with_calibration(&known.calibration);
            }
            self.split = Some(Osft::from_bytes(&saved.read(&name)?, base, &around)?);
        }
        Ok(())
    }

    fn end_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let Some(split) = self.split.take() else {
            return Ok((model, TaskDiagnostics::default()));
        };
        let clock = context.clock;
        let leaks_of = |model: &M| {
            // What is still enqueued is training, and not the measurement that waits for it.
            synchronize(model);
            clock.time(TimedPart::Uncounted, || split.leaks(model))
        };
        // Of the master, before it is rounded to what is stored.
        let leaks = leaks_of(&model)?;
        let model = split.finish(model)?;
        let stored_leaks = match self.config.base_precision {
            BasePrecision::Full => None,
            BasePrecision::Bf16 => Some(leaks_of(&model)?),
        };
        let mut since_base = None;
        if let (Some(known), Some(data)) = (&mut self.known, &self.data) {
            let weight = known.calibration.weight();
            let made = stored_leaks.as_ref().unwrap_or(&leaks);
            since_base = Some(clock.time(TimedPart::Uncounted, || {
                known.since_base.record(made, weight)?;
                known.since_base.measure(&model)
            })?);
            // The last task's inputs are measured too: a longer sequence may go on from here.
            let rows = read_rows(context.task.train.as_ref())?;
            let rows = spread(rows, data.rows_per_task);
            clock.time(TimedPart::Calibration, || {
                let calibrator = Calibrator::for_config(&model, &self.config)?;
                let name = &context.task.name;
                let learned = calibrate(&model, calibrator, name, &rows, data.batch)?;
                known.calibration.absorb(&learned)
            })?;
            known.tasks += 1;
        }
        let beside_targets = match self.config.others {
            Others::Frozen => 0,
            Others::Trained => {
                let targets = split
                    .layers()
                    .iter()
                    .map(|layer| layer.shape[0] * layer.shape[1]);
                model.num_params() - targets.sum::<usize>()
            }
        };
        let diagnostics = TaskDiagnostics {
            trainable_parameters: split.free_parameters() + beside_targets,
            split: split.summary(),
            table: Some(split.to_string()),
            warnings: split.warnings().to_vec(),
            leaks: Some(leaks),
            stored_leaks,
            since_base,
            ..TaskDiagnostics::default()
        };
        Ok((model, diagnostics))
    }
}
