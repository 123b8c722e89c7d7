//! Learning without forgetting on text that the model generates: no row of a task carries what is kept.

mod kind;
mod rows;

use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use lm::LanguageModel;

use super::distillation::divergence;
use super::task_start::TaskStart;
use crate::calibration::{Generation, SampleSize, generated_rows};
use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::TimedPart;
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics};
pub use kind::{LWF_GENERATED, LwfGeneratedConfig, LwfGeneratedKind};
use rows::TaskRows;

/// Learning without forgetting on generated rows: adds `α T² KL(p_old ‖ p_new)`, the mean over the answer tokens of
/// a few rows per step. The model at the start of every task generates the rows, and `p_old` are its probabilities.
///
/// The term's gradient counts in the reported gradient norm, but the term does not count in the reported loss. A step
/// takes the rows that follow those of the step before, from the first again after the last.
///
/// # References
///
/// Li, Hoiem, "Learning without Forgetting", ECCV 2016, section 3 (the term); Robins, "Catastrophic Forgetting,
/// Rehearsal and Pseudorehearsal", 1995 (made-up rows that the earlier model answers); Liu et al., "LLM-QAT:
/// Data-Free Quantization Aware Training for Large Language Models", 2023 (how the rows are generated).
#[derive(Clone, Debug)]
pub struct LwfGenerated<M> {
    config: LwfGeneratedConfig,
    vocabulary: Option<OwnedVocabulary>,
    seed: u64,
    start: TaskStart<M>,
    rows: Option<TaskRows>,
}

#[derive(Clone, Debug)]
struct OwnedVocabulary {
    size: usize,
    ends: Vec<u32>,
}

impl<M: LanguageModel> LwfGenerated<M> {
    /// The method with rows drawn from a vocabulary of `size` tokens; `ends` are the tokenizer's stop tokens.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(
        config: LwfGeneratedConfig,
        size: usize,
        ends: &[u32],
        seed: u64,
    ) -> Result<Self, ContinualError> {
        let ends = ends.to_vec();
        Self::with_vocabulary(config, Some(OwnedVocabulary { size, ends }), seed)
    }

    fn with_vocabulary(
        config: LwfGeneratedConfig,
        vocabulary: Option<OwnedVocabulary>,
        seed: u64,
    ) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            vocabulary,
            seed,
            start: TaskStart::default(),
            rows: None,
        })
    }

    /// Generates the rows of a task with the model that it starts from.
    fn generate(&self, start: &M, context: TaskContext<'_>) -> Result<TaskRows, ContinualError> {
        let vocabulary = self.vocabulary.as_ref();
        let OwnedVocabulary { size, ends } = vocabulary.ok_or(ContinualError::MissingInput {
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
    pub fn generated(&self) -> &[lm::Example] {
        self.rows.as_ref().map_or(&[], |rows| &rows.rows)
    }
}

impl<M: LanguageModel> Method<M> for LwfGenerated<M> {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let start = self.start.begin(context.index, &model).clone();
        let restored = self.rows.take().filter(|rows| rows.task == context.index);
        self.rows = Some(match restored {
            Some(rows) => rows,
            None => self.generate(&start, context)?,
        });
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }

    fn penalty(&self, model: &M, step: usize) -> Option<Tensor<1>> {
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
        let mean = divergence(start, model, &rows, temperature) / tokens as f64;
        Some(mean * strength)
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        let rows = self.rows.iter().map(TaskRows::part);
        self.start.part().into_iter().chain(rows).collect()
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.start.restore(base, saved)?;
        let vocabulary = self.vocabulary.as_ref().map(|vocabulary| vocabulary.size);
        self.rows = TaskRows::restored(saved, vocabulary)?;
        Ok(())
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        self.start.end();
        self.rows = None;
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}
