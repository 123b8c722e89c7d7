//! Methods that train without protection and change the weights when the task ends: they merge the
//! model before the task with the model after it.

mod kind;
mod rule;
mod singular;
mod ties;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::{FloatDType, Tensor};

use super::seqft::plain_multiplications;
use super::task_start::TaskStart;
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{Combine, Figure, Method, Notation, TaskContext, TaskDiagnostics};
pub use kind::{MergeKind, MergeSettings, ThresholdKind, TiesKind, TiesSettings};
pub use rule::{MergeRule, TaskWeight, TaskWeightName};

/// The part of a state with the model that the first sequence started from.
const BASE: &str = "merge-base.bpk";

/// Fine-tuning of all parameters; at the end of each task, a rule merges the result with the model
/// that the task began with.
///
/// It holds one more copy of the weights during a task, and [`MergeRule::Ties`] the base model too.
#[derive(Clone, Debug)]
pub struct MergeMethod<M> {
    rule: MergeRule,
    start: TaskStart<M>,
    /// The model that the sequence started from.
    base: Option<M>,
}

impl<M> MergeMethod<M> {
    /// Merges by `rule`.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(rule: MergeRule) -> Result<Self, ContinualError> {
        rule.validate()?;
        Ok(Self {
            rule,
            start: TaskStart::default(),
            base: None,
        })
    }
}

impl<M: Module> Method<M> for MergeMethod<M> {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let optimizer = context.optimizer.for_module(&model)?;
        if self.rule.reads_base() && self.base.is_none() {
            self.base = Some(model.clone().no_grad());
        }
        self.start.begin(context.index, &model);
        Ok((model.set_require_grad(true), optimizer))
    }

    fn multiplications(&self, _path: &str, shape: [usize; 2], tokens: usize) -> Option<usize> {
        Some(plain_multiplications(shape, tokens))
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        let base = self.base.iter();
        let base = base.map(|base| StatePart::module(BASE, base));
        self.start.part().into_iter().chain(base).collect()
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        // A later sequence starts from another model than the first one.
        self.base = match (self.rule.reads_base(), saved.find(BASE)) {
            (false, _) => None,
            (true, None) => Some(base.clone().no_grad()),
            (true, Some(_)) => Some(saved.module(BASE, base.clone())?.no_grad()),
        };
        self.start.restore(base, saved)
    }

    fn end_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let mut diagnostics = TaskDiagnostics::of_all_parameters(&model);
        let Some(start) = self.start.end() else {
            return Ok((model, diagnostics));
        };
        let tasks = context.index + 1;
        let merged = match (&self.rule, &self.base) {
            (MergeRule::Ties { density, scale }, Some(base)) => {
                ties::merged(base, &start, model, *density, *scale)
            }
            (MergeRule::HardThreshold, _) => {
                let repaired = singular::repaired(&start, model)?;
                diagnostics.figures.push(kept_figure(repaired.kept));
                repaired.model
            }
            (rule, _) => merged(&start, model, |start, end| rule.merged(start, end, tasks)),
        };
        Ok((merged, diagnostics))
    }
}

fn kept_figure(kept: f64) -> Figure {
    Figure {
        name: "kept".to_string(),
        meaning: "share of the singular values of the task's change that were kept, in percent"
            .to_string(),
        value: 100.0 * kept,
        notation: Notation::Fixed(1),
        combine: Combine::Last,
    }
}

/// `start + share (end - start)`, for every parameter of two modules of the same kind.
///
/// # References
///
/// Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, equation 1.
pub fn between<M: Module>(start: &M, end: M, share: f64) -> M {
    merged(start, end, |start, end| rule::line(start, end, share))
}

/// Replaces every parameter of `end` by what `merge` makes of its values in `start` and `end`, in
/// f32 and as vectors.
fn merged<M: Module>(start: &M, end: M, merge: impl FnMut(Tensor<1>, Tensor<1>) -> Tensor<1>) -> M {
    let start = vectors(start).into_iter();
    end.map(&mut Merge { start, merge })
}

/// The values of all parameters, in the module's order, in f32 and as vectors.
fn vectors<M: Module>(module: &M) -> Vec<Tensor<1>> {
    struct Collect(Vec<Tensor<1>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(vector(param.base()));
        }
    }
    let mut collect = Collect(Vec::new());
    module.visit(&mut collect);
    collect.0
}

fn vector<const D: usize>(value: Tensor<D>) -> Tensor<1> {
    let count = value.shape().num_elements();
    value.inner().cast(FloatDType::F32).reshape([count])
}

struct Merge<F> {
    start: std::vec::IntoIter<Tensor<1>>,
    merge: F,
}

impl<F: FnMut(Tensor<1>, Tensor<1>) -> Tensor<1>> ModuleMapper for Merge<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(start) = self.start.next() else {
            return param;
        };
        let trains = param.is_require_grad();
        param
            .map(|end| {
                let (device, dtype, shape) = (end.device(), end.dtype(), end.shape());
                let merged = (self.merge)(start, vector(end));
                // Through the host, so that the value is on the device with its autodiff state.
                let data = merged.reshape::<D, _>(shape).into_data();
                Tensor::from_data(data, (&device, dtype))
            })
            .set_require_grad(trains)
    }
}
