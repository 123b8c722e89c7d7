//! OSFT: protects directions of every target, trains inside the rest.

mod absent;
mod flags;
mod kind;
mod memory;
mod name;
mod optimizer;
mod report;
mod retained;
mod sample;
mod searched;
mod through_cores;
mod trains;

use ::osft::{BasePrecision, Calibrator, Osft, OsftConfig, SplitCache, SplitContext};
use burn::optim::{GradientsParams, ModuleOptimizer};
use lm::{Example, LanguageModel, LinearMap};

use crate::calibration::{CalibrationData, SampleCheck, calibrate, check_sample};
use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::{TimedPart, synchronize};
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
use crate::protocol::evenly_spaced;
pub use absent::{remove_absent, write_absent};
pub use kind::{OSFT, OsftKind, PAPER_TARGETS};
pub(super) use kind::{TARGETS, observed_targets};
pub(super) use memory::needs;
use optimizer::ForSplit;
use report::Measured;
use retained::Retained;
pub(super) use searched::searched_share;
pub use through_cores::ThroughCores;

/// Orthogonal Subspace Fine-Tuning; every task begins with a new split of the current weights.
///
/// With calibration data, it measures the inputs of the base model before the first task and the
/// inputs of every task after it was learned. Sources and rules that look at inputs use their mean,
/// and every report says how far the layers' outputs have moved.
#[derive(Clone, Debug)]
pub struct OsftMethod {
    config: OsftConfig,
    data: Option<CalibrationData>,
    cache: Option<SplitCache>,
    /// Whether what the base model knows is to be retained too.
    protects_base: bool,
    retained: Option<Retained>,
    /// What is known of the rows that the sources were measured on, those of the base model first.
    samples: Vec<SampleCheck>,
    split: Option<Osft>,
    /// Number of tasks begun; it distinguishes the parts of saved states.
    begun: usize,
}

/// Name of the split in a saved state, before the number of begun tasks.
const SPLIT: &str = "split-";

/// Name of what is known of the rows of the sources, before their number.
const SAMPLES: &str = "samples-";

impl OsftMethod {
    /// OSFT with one configuration for all tasks.
    pub fn new(config: OsftConfig) -> Self {
        Self {
            config,
            data: None,
            cache: None,
            protects_base: true,
            retained: None,
            samples: Vec::new(),
            split: None,
            begun: 0,
        }
    }

    /// Calibrates on the base model's rows and on rows of every learned task.
    pub fn with_calibration(mut self, data: CalibrationData) -> Self {
        self.data = Some(data);
        self
    }

    /// Retains the tasks alone: the first task trains freely, and the base model is not calibrated on.
    pub fn without_base(mut self) -> Self {
        self.protects_base = false;
        self
    }

    /// Reads splits from a cache, and adds those that are missing.
    pub fn with_split_cache(mut self, cache: SplitCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// The split of the current task.
    pub fn current_split(&self) -> Option<&Osft> {
        self.split.as_ref()
    }

    /// What is known of the rows of a source, if that is to be measured.
    fn checked<M: LanguageModel>(
        &self,
        model: &M,
        name: &str,
        rows: &[Example],
        context: TaskContext<'_>,
    ) -> Result<Option<SampleCheck>, ContinualError> {
        let Some(data) = self.data.as_ref().filter(|data| data.held_out) else {
            return Ok(None);
        };
        let task = (context.index, context.count);
        let check = context.clock.time(TimedPart::Uncounted, || {
            check_sample(model, &self.config, name, rows, data.passes(), task)
        })?;
        Ok(Some(check))
    }

    /// Splits a model for a task; before the first task, it also measures the model's inputs.
    fn split<M: LanguageModel>(
        &mut self,
        model: &M,
        context: TaskContext<'_>,
    ) -> Result<Osft, ContinualError> {
        let clock = context.clock;
        if let (None, true, Some(data)) = (&self.retained, self.protects_base, &self.data)
            && !data.base.is_empty()
        {
            let checked = self.checked(model, &data.base_name, &data.base, context)?;
            let retained = Retained::of_base(model, &self.config, data, context)?;
            self.samples.extend(checked);
            self.retained = Some(retained);
        }
        let mut split_context = SplitContext::new().for_task(context.index, context.count);
        split_context = match (&self.retained, self.protects_base, &self.data) {
            (Some(retained), ..) => split_context.with_calibration(&retained.calibration),
            // Without rows, nothing would be measured after the task either: that is an error.
            (None, false, Some(_)) => split_context.retaining_nothing(),
            (None, ..) => split_context,
        };
        if let Some(cache) = &self.cache {
            split_context = split_context.with_cache(cache);
        }
        let split = clock.time(TimedPart::Split, || {
            Osft::split_in(model, &self.config, &split_context)
        })?;
        let since_base = self.retained.as_mut();
        let since_base = since_base.and_then(|retained| retained.since_base.as_mut());
        if let (BasePrecision::Bf16, Some(since_base)) = (self.config.base_precision, since_base)
            && since_base.has_no_record()
        {
            // The weights are rounded here for the first time in this sequence; later tasks start from rounded ones.
            clock.time(TimedPart::Uncounted, || {
                let rounded = split.finish(split.prepare(model.clone())?)?;
                let changes = since_base.measure(&rounded)?;
                since_base.record_measured(&changes)
            })?;
        }
        Ok(split)
    }
}

impl<M: LanguageModel> Method<M> for OsftMethod {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let split = match self.split.take() {
            // The task resumes with its saved split.
            Some(split) => split,
            None => self.split(&model, context)?,
        };
        let model = split.prepare(model)?;
        let optimizer = context.optimizer.make(ForSplit(&split))?;
        self.split = Some(split);
        self.begun = context.index + 1;
        Ok((model, optimizer))
    }

    fn trains(&self) -> Option<String> {
        let split = self.split.as_ref()?;
        Some(trains::sentence(split, &self.config))
    }

    fn linear_map(&self) -> &dyn LinearMap {
        &ThroughCores
    }

    fn project(&self, _model: &M, grads: GradientsParams) -> GradientsParams {
        match &self.split {
            Some(split) => split.project(grads),
            None => grads,
        }
    }

    fn multiplications(&self, path: &str, _shape: [usize; 2], tokens: usize) -> Option<usize> {
        let mut layers = self.split.as_ref()?.layers().iter();
        let layer = layers.find(|layer| layer.path == path)?;
        Some(layer.step_cost(tokens)?.total())
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        let mut parts = match &self.retained {
            Some(retained) => retained.parts(),
            None => Vec::new(),
        };
        if let Some(split) = &self.split {
            parts.push(StatePart::bytes(
                format!("{SPLIT}{}.safetensors", self.begun),
                || Ok(split.to_bytes()?),
            ));
        }
        if !self.samples.is_empty() {
            let name = format!("{SAMPLES}{}.json", self.samples.len());
            parts.push(StatePart::bytes(name.clone(), move || {
                serde_json::to_vec(&self.samples).map_err(ContinualError::saving(name.as_ref()))
            }));
        }
        parts
    }

    fn carried(&self) -> Vec<StatePart<'_>> {
        match &self.retained {
            Some(retained) => retained.carried(),
            None => Vec::new(),
        }
    }

    /// The change since the base is measured from `model` on: the weights of the model that the first
    /// sequence started from are not carried.
    fn take_over(&mut self, model: &M, carried: &Checkpoint) -> Result<(), ContinualError> {
        let retained = Retained::taken_over(model, &self.config.targets, carried)?;
        if let Some(retained) = &retained {
            // Or the inputs of this task could not be added to those of the earlier ones, in the end.
            retained.calibration.check_joins(&self.config, model)?;
        }
        self.retained = retained;
        Ok(())
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.retained = Retained::restored(base, &self.config.targets, saved)?;
        // Earlier versions of this library did not measure it.
        if let Some(name) = saved.find(SAMPLES) {
            self.samples = saved.json(&name)?;
        }
        if let Some(name) = saved.find(SPLIT) {
            let mut context = SplitContext::new();
            if let Some(retained) = &self.retained {
                context = context.with_calibration(&retained.calibration);
            }
            let split = Osft::from_bytes(&saved.read(&name)?, base, &context);
            self.split = Some(split.map_err(|error| saved.broken(&name, &error))?);
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
        let measure_leaks = |model: &M| {
            // Finish the enqueued training first, or it would count as measuring.
            synchronize(model);
            clock.time(TimedPart::Uncounted, || split.leaks(model))
        };
        // Leaks of the master weights, before they are rounded to the stored precision.
        let leaks = measure_leaks(&model)?;
        let model = split.finish(model)?;
        let stored_leaks = match self.config.base_precision {
            BasePrecision::Full => None,
            BasePrecision::Bf16 => Some(measure_leaks(&model)?),
        };
        let mut since_base = None;
        if let (Some(retained), Some(_)) = (&mut self.retained, &self.data)
            && let Some(since) = &mut retained.since_base
        {
            let weight = retained.calibration.weight();
            let made = stored_leaks.as_ref().unwrap_or(&leaks);
            since_base = Some(clock.time(TimedPart::Uncounted, || {
                since.record(made, weight)?;
                since.measure(&model)
            })?);
        }
        let measured = Measured {
            leaks,
            stored_leaks,
            since_base,
            continues: context.first > 0,
        };
        let mut diagnostics = report::diagnostics(&self.config, &split, &model, &measured);
        // Its moments are about to be replaced; held here, they would exist twice.
        drop(split);
        if let Some(data) = &self.data
            && (self.retained.is_some() || !self.protects_base)
        {
            // Also measure the last task's inputs: a longer sequence may resume from here.
            let rows = evenly_spaced(context.task.train.as_ref(), data.rows_per_task)?;
            let checked = self.checked(&model, &context.task.name, &rows, context)?;
            let earlier = self.retained.take();
            let joined = clock.time(TimedPart::Calibration, || {
                let calibrator = Calibrator::for_config(&model, &self.config)?
                    .with_sums_on_device(data.sums_on_device);
                let name = &context.task.name;
                let learned = calibrate(&model, calibrator, name, &rows, data.batch)?;
                let (index, count) = (context.index, context.count);
                Retained::joined(earlier, learned, &self.config, index, count)
            })?;
            self.retained = Some(joined);
            self.samples.extend(checked);
        }
        // Before the first task, the base model's rows were measured too.
        let new = if context.index == 0 {
            self.samples.len()
        } else {
            1
        };
        sample::add(&mut diagnostics, &self.samples, new);
        Ok((model, diagnostics))
    }
}
