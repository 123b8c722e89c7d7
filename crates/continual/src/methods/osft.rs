//! OSFT: protect directions of every target weight, train inside the rest.

use ::osft::{Calibration, Osft, OsftConfig, Others, SinceBase, SplitContext};
use burn::optim::{AdamW, GradientsParams, ModuleOptimizer};
use lm::LanguageModel;

use super::{Method, TaskContext, TaskDiagnostics};
use crate::calibrate::spread;
use crate::trainer::read_rows;
use crate::{CalibrationData, ContinualError, calibrate};

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
    known: Option<Known>,
    split: Option<Osft>,
}

#[derive(Clone, Debug)]
struct Known {
    /// Everything that is to be kept so far.
    calibration: Calibration,
    since_base: SinceBase,
}

impl OsftMethod {
    /// OSFT with one configuration for all tasks.
    pub fn new(config: OsftConfig) -> Self {
        Self {
            config,
            data: None,
            known: None,
            split: None,
        }
    }

    /// Measures the inputs of the base model and of every learned task.
    pub fn with_calibration(mut self, data: CalibrationData) -> Self {
        self.data = Some(data);
        self
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
        if let (None, Some(data)) = (&self.known, &self.data) {
            let targets = &self.config.targets;
            let base = calibrate(&model, targets, &data.base_name, &data.base, data.batch)?
                .with_weight(data.base_weight)?;
            self.known = Some(Known {
                since_base: SinceBase::new(&model, targets, &base)?,
                calibration: base,
            });
        }
        let mut around = SplitContext::new().for_task(context.index, context.count);
        if let Some(known) = &self.known {
            around = around.with_calibration(&known.calibration);
        }
        let split = Osft::split_in(&model, &self.config, &around)?;
        let model = split.prepare(model);
        let optimizer = split.optimizer(inner);
        self.split = Some(split);
        Ok((model, optimizer))
    }

    fn project(&self, grads: GradientsParams) -> GradientsParams {
        match &self.split {
            Some(split) => split.project(grads),
            None => grads,
        }
    }

    fn state_files(&self) -> Result<Vec<(String, Vec<u8>)>, ContinualError> {
        match &self.known {
            Some(known) => {
                let bytes = known.calibration.to_bytes()?;
                Ok(vec![("calibration.safetensors".to_string(), bytes)])
            }
            None => Ok(Vec::new()),
        }
    }

    fn end_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let Some(split) = self.split.take() else {
            return Ok((model, TaskDiagnostics::default()));
        };
        let model = split.finish(model);
        let leaks = split.leaks(&model)?;
        let mut since_base = None;
        if let (Some(known), Some(data)) = (&mut self.known, &self.data) {
            let weight = known.calibration.weight();
            known.since_base.record(&leaks, weight);
            since_base = Some(known.since_base.measure(&model)?);
            // The last task's inputs are measured too: a longer sequence may go on from here.
            let rows = read_rows(context.task.train.as_ref())?;
            let rows = spread(rows, data.rows_per_task);
            let targets = &self.config.targets;
            let learned = calibrate(&model, targets, &context.task.name, &rows, data.batch)?;
            known.calibration.absorb(&learned)?;
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
            since_base,
        };
        Ok((model, diagnostics))
    }
}
