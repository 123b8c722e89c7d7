//! Experience replay: every task also trains on a few rows of each earlier task.

mod kept;
mod kind;

use std::sync::Arc;

use burn::data::dataset::transform::ComposedDataset;
use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use lm::Example;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
use crate::protocol::{Task, read_row};
use kept::KeptTask;
pub use kind::{ReplayConfig, ReplayKind};

/// Experience replay: when a task ends, a share of its training rows is drawn without replacement and kept, and every
/// later task trains on its own rows and on all kept ones.
///
/// With a share `s` and `T` tasks of the same size, a task in place `t` takes `1 + s (t - 1)` times as many steps as
/// without replay, the whole sequence `1 + s (T - 1) / 2` times as many. The state holds the tokens of the kept rows;
/// with a model that goes on to a later task, they are in its folder.
///
/// # References
///
/// Chaudhry et al., "On Tiny Episodic Memories in Continual Learning", 2019; Wang et al., "TRACE", 2023 (replay of
/// 10 % of every task).
#[derive(Clone, Debug)]
pub struct Replay {
    config: ReplayConfig,
    seed: u64,
    /// Size of the vocabulary, by which rows of a file are checked.
    vocabulary: Option<usize>,
    kept: Vec<KeptTask>,
}

impl Replay {
    /// Replay with one share for all tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(config: ReplayConfig, seed: u64) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            seed,
            vocabulary: None,
            kept: Vec::new(),
        })
    }

    /// Refuses a saved state with tokens outside of a vocabulary of so many tokens.
    pub fn with_vocabulary(mut self, size: usize) -> Self {
        self.vocabulary = Some(size);
        self
    }

    /// The kept rows of every earlier task, by its name.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &[Example])> {
        let kept = self.kept.iter();
        kept.map(|task| (task.name.as_str(), task.rows.as_slice()))
    }

    /// Keeps as many rows of every task as the settings allow.
    fn limit(&mut self) {
        let most = self.config.most_per_task(self.kept.len());
        for task in &mut self.kept {
            task.rows.truncate(most);
        }
    }

    /// Draws the rows of a task that are kept, in an order of their own: any first part of them is a draw as well.
    fn draw(&self, task: &Task, place: usize) -> Result<Vec<Example>, ContinualError> {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(place as u64);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows = task.train.len();
        let drawn = index::sample(&mut rng, rows, self.config.kept_of(rows));
        let read = |row| read_row(task.train.as_ref(), row);
        drawn.into_iter().map(read).collect()
    }
}

impl<M: Module> Method<M> for Replay {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }

    fn rows(&self, task: &Task) -> Result<Arc<dyn Dataset<Example>>, ContinualError> {
        let kept = self.kept.iter().flat_map(|task| task.rows.iter().cloned());
        let kept: Arc<dyn Dataset<Example>> = Arc::new(InMemDataset::new(kept.collect()));
        let both = ComposedDataset::new(vec![task.train.clone(), kept]);
        Ok(Arc::new(both))
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        KeptTask::part(&self.kept).into_iter().collect()
    }

    fn restore(&mut self, _base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.kept = KeptTask::restored(saved, self.vocabulary)?;
        Ok(())
    }

    /// The limit of this sequence holds from its first task on.
    fn take_over(&mut self, model: &M, carried: &Checkpoint) -> Result<(), ContinualError> {
        self.restore(model, carried)?;
        self.limit();
        Ok(())
    }

    fn end_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        self.kept.push(KeptTask {
            name: context.task.name.clone(),
            rows: self.draw(context.task, context.index)?,
        });
        self.limit();
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}
