//! Elastic weight consolidation: fine-tuning of all parameters with a pull towards the weights after the last task,
//! stronger where those tasks depend on a weight.

mod fisher;
mod kind;

use burn::optim::{GradientsParams, ModuleOptimizer};
use lm::{Example, LanguageModel};

use super::quadratic::add_pull;
use super::task_start::TaskStart;
use crate::checkpoint::{Checkpoint, StatePart, identities, with_identities};
use crate::clock::TimedPart;
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
use crate::protocol::evenly_spaced;
pub use kind::{EwcConfig, EwcKind};

const PART: &str = "fisher-";

/// Elastic weight consolidation in its online form: adds `λ/2 Σ F (θ - θ*)²` to the loss, with one Fisher information
/// `F ← γ F + F_t` for all tasks.
///
/// `θ*` are the weights after the last task, which are those that the next one starts from, also in a later sequence.
/// `F_t` is the diagonal of the empirical Fisher information: the mean over rows of the squared gradient of the summed
/// log-likelihood of a row's given answer. It is not normalized, so a strength fits one model and kind of rows only.
/// The penalty's gradient is added before clipping, so it counts in the reported gradient norm. The first task has no
/// penalty, unless there are rows that stand for what the base model knows ([`with_base`](Self::with_base)).
///
/// # References
///
/// Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017, equation 3; Schwarz et al.,
/// "Progress & Compress", ICML 2018, section 4 (the online form); van de Ven, "On the Computation of the Fisher
/// Information in Continual Learning", 2025 (gradients per row).
#[derive(Clone, Debug)]
pub struct Ewc<M> {
    config: EwcConfig,
    base: Option<BaseRows>,
    learned: Option<Learned<M>>,
    start: TaskStart<M>,
}

/// Rows that stand for what the base model knows.
#[derive(Clone, Debug)]
struct BaseRows {
    rows: Vec<Example>,
    weight: f64,
}

/// What is known of the tasks so far.
#[derive(Clone, Debug)]
struct Learned<M> {
    /// A model whose parameters are the Fisher information.
    fisher: M,
    /// Number of tasks in it; it distinguishes the parts of saved states.
    tasks: usize,
}

impl<M: LanguageModel> Ewc<M> {
    /// Elastic weight consolidation with one strength for all tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(config: EwcConfig) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            base: None,
            learned: None,
            start: TaskStart::default(),
        })
    }

    /// Also holds the first task, by the Fisher information on these rows times `weight`.
    pub fn with_base(mut self, rows: Vec<Example>, weight: f64) -> Self {
        self.base = Some(BaseRows { rows, weight });
        self
    }

    /// The Fisher information of the base model, before the first task.
    fn of_base(&self, model: &M, context: TaskContext<'_>) -> Result<Learned<M>, ContinualError> {
        let base = self.base.as_ref();
        let rows = base.map(|base| (answered(model, base.rows.clone()), base.weight));
        let rows = rows.filter(|(rows, _)| !rows.is_empty());
        let (rows, weight) = rows.ok_or(ContinualError::MissingInput {
            method: "ewc",
            input: "rows that stand for what the base model knows, of two tokens or more",
        })?;
        let fisher = context.clock.time(TimedPart::Calibration, || {
            fisher::with_rows(model, &rows, weight, None)
        });
        Ok(Learned { fisher, tasks: 0 })
    }

    /// The Fisher information of the tasks so far, as a model with its values; `None` before the first task has ended.
    pub fn fisher(&self) -> Option<&M> {
        self.learned.as_ref().map(|learned| &learned.fisher)
    }
}

impl<M: LanguageModel> Method<M> for Ewc<M> {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let model = model.set_require_grad(true);
        if self.config.protect_base && self.learned.is_none() {
            self.learned = Some(self.of_base(&model, context)?);
        }
        if self.learned.is_some() {
            self.start.begin(context.index, &model);
        }
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model, optimizer))
    }

    fn project(&self, model: &M, grads: GradientsParams) -> GradientsParams {
        match (self.start.model(), self.fisher()) {
            (Some(start), Some(fisher)) => {
                add_pull(model, grads, self.config.strength, start, Some(fisher))
            }
            _ => grads,
        }
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        let fisher = self
            .learned
            .iter()
            .map(|learned| StatePart::module(part_name(learned.tasks), &learned.fisher));
        self.start.part().into_iter().chain(fisher).collect()
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.start.restore(base, saved)?;
        let Some(name) = saved.find(PART) else {
            self.learned = None;
            return Ok(());
        };
        let number = name
            .strip_prefix(PART)
            .and_then(|rest| rest.strip_suffix(".bpk"));
        let tasks = number.and_then(|number| number.parse().ok());
        let tasks = tasks.ok_or_else(|| saved.broken(&name, &"its name has no number of tasks"))?;
        let fisher = saved.module(&name, base.clone())?.no_grad();
        self.learned = Some(Learned { fisher, tasks });
        Ok(())
    }

    fn take_over(&mut self, model: &M, carried: &Checkpoint) -> Result<(), ContinualError> {
        self.restore(model, carried)?;
        if let Some(learned) = self.learned.take() {
            // The parameters of this process have identities of their own.
            let fisher = with_identities(learned.fisher, &identities(model));
            let fisher = fisher.ok_or_else(|| {
                let name = part_name(learned.tasks);
                carried.broken(&name, &"it is of a model with other parameters")
            })?;
            self.learned = Some(Learned { fisher, ..learned });
        }
        Ok(())
    }

    fn end_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        self.start.end();
        let rows = evenly_spaced(context.task.train.as_ref(), self.config.rows)?;
        let rows = answered(&model, rows);
        // Also after the last task: a longer sequence may go on from here.
        let fisher = context.clock.time(TimedPart::Calibration, || {
            let earlier = self.fisher().map(|fisher| (fisher, self.config.decay));
            fisher::with_rows(&model, &rows, 1.0, earlier)
        });
        self.learned = Some(Learned {
            fisher,
            tasks: context.index + 1,
        });
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}

/// The rows that have an answer token to predict.
fn answered<M: LanguageModel>(model: &M, rows: Vec<Example>) -> Vec<Example> {
    let has_answer = |row: &Example| model.target_count(row) > 0;
    rows.into_iter().filter(has_answer).collect()
}

fn part_name(tasks: usize) -> String {
    format!("{PART}{tasks}.bpk")
}
