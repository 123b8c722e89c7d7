//! The term of learning without forgetting on generated rows, for methods that add it.

use burn::tensor::Tensor;
use lm::{LanguageModel, LinearMap};

use super::rows::TaskRows;
use super::{LWF_GENERATED, LwfGeneratedConfig};
use crate::calibration::{Generation, SampleSize, generated_rows};
use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::TimedPart;
use crate::error::ContinualError;
use crate::method::{TaskContext, Vocabulary};
use crate::methods::distillation::divergence;
use crate::methods::task_start::TaskStart;

/// `α T² KL(p_old ‖ p_new)`, the mean over the answer tokens of a few rows per step. The model at the start of every
/// task generates the rows, and `p_old` are its probabilities.
///
/// A step takes the rows that follow those of the step before, from the first again after the last.
#[derive(Clone, Debug)]
pub(in crate::methods) struct GeneratedTerm<M> {
    config: LwfGeneratedConfig,
    vocabulary: Option<OwnedVocabulary>,
    seed: u64,
    start: TaskStart<M>,
    rows: Option<TaskRows>,
}

#[derive(Clone, Debug)]
struct OwnedVocabulary {
    size: usize,
    embeddings: usize,
    ends: Vec<u32>,
}

impl<M: LanguageModel> GeneratedTerm<M> {
    /// The term; without a vocabulary, a task cannot begin.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub(in crate::methods) fn new(
        config: LwfGeneratedConfig,
        vocabulary: Option<Vocabulary<'_>>,
        seed: u64,
    ) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            vocabulary: vocabulary.map(|vocabulary| OwnedVocabulary {
                size: vocabulary.size,
                embeddings: vocabulary.embeddings,
                ends: vocabulary.ends.to_vec(),
            }),
            seed,
            start: TaskStart::default(),
            rows: None,
        })
    }

    /// Keeps the model that a task starts from, and generates the task's rows with it; a task that resumes has both.
    ///
    /// # Errors
    ///
    /// [`ContinualError::MissingInput`] without a vocabulary, [`ContinualError::NoRows`] if no generated row has an
    /// answer.
    pub(in crate::methods) fn begin(
        &mut self,
        model: &M,
        context: TaskContext<'_>,
    ) -> Result<(), ContinualError> {
        let start = self.start.begin(context.index, model).clone();
        let restored = self.rows.take().filter(|rows| rows.task == context.index);
        self.rows = Some(match restored {
            Some(rows) => rows,
            None => self.generate(&start, context)?,
        });
        Ok(())
    }

    /// Generates the rows of a task with the model that it starts from.
    fn generate(&self, start: &M, context: TaskContext<'_>) -> Result<TaskRows, ContinualError> {
        let vocabulary = self.vocabulary.as_ref();
        let OwnedVocabulary { size, ends, .. } =
            vocabulary.ok_or(ContinualError::MissingInput {
                method: LWF_GENERATED,
                input: "the vocabulary of the model's tokenizer",
            })?;
        let LwfGeneratedConfig { rows, tokens, .. } = self.config;
        let seed = self.seed.wrapping_mul(1_000_003);
        let seed = seed.wrapping_add(context.index as u64);
        let model = start.valid();
        let generation = Generation {
            size: SampleSize::Rows(rows),
            tokens,
            ends,
            seed,
        };
        let rows = context.clock.time(TimedPart::Calibration, || {
            generated_rows(&model, *size, generation, &mut |_| {})
        });
        let has_answer = |row: &lm::Example| model.target_count(row) > 0;
        let rows: Vec<_> = rows.into_iter().filter(has_answer).collect();
        if rows.is_empty() {
            return Err(ContinualError::NoRows {
                task: context.task.name.clone(),
                what: "generated",
            });
        }
        Ok(TaskRows {
            task: context.index,
            rows,
        })
    }

    /// The rows of the current task, in the order in which steps take them; empty between tasks.
    pub(in crate::methods) fn rows(&self) -> &[lm::Example] {
        self.rows.as_ref().map_or(&[], |rows| &rows.rows)
    }

    /// The term of a step, whose number counts from 1; `None` between tasks and at strength 0. `map` multiplies by the
    /// weights of `model`.
    ///
    /// # Shapes
    /// - output: `[1]`
    pub(in crate::methods) fn penalty(
        &self,
        model: &M,
        step: usize,
        map: &dyn LinearMap,
    ) -> Option<Tensor<1>> {
        let LwfGeneratedConfig {
            strength,
            temperature,
            rows_per_step,
            ..
        } = self.config;
        let (start, rows) = (self.start.model()?, self.rows.as_ref()?);
        if strength == 0.0 {
            return None;
        }
        let rows = rows.of_step(step, rows_per_step);
        let tokens: usize = rows.iter().map(|row| model.target_count(row)).sum();
        let mean = divergence(start, model, &rows, temperature, map) / tokens as f64;
        Some(mean * strength)
    }

    /// The parts of a saved state.
    pub(in crate::methods) fn state(&self) -> Vec<StatePart<'_>> {
        let rows = self.rows.iter().map(TaskRows::part);
        self.start.part().into_iter().chain(rows).collect()
    }

    /// Restores a saved state; `base` is the model that the sequence started from.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`], [`ContinualError::BrokenCheckpoint`].
    pub(in crate::methods) fn restore(
        &mut self,
        base: &M,
        saved: &Checkpoint,
    ) -> Result<(), ContinualError> {
        self.start.restore(base, saved)?;
        let vocabulary = self.vocabulary.as_ref();
        let vocabulary = vocabulary.map(|vocabulary| vocabulary.embeddings);
        self.rows = TaskRows::restored(saved, vocabulary)?;
        Ok(())
    }

    /// Keeps model and rows no longer.
    pub(in crate::methods) fn end(&mut self) {
        self.start.end();
        self.rows = None;
    }
}
