//! Learning without forgetting on text that the model generates: no row of a task carries what is kept.

mod kind;
mod rows;
mod term;

use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use lm::{LanguageModel, Unmapped};

use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{Method, TaskContext, TaskDiagnostics, Vocabulary};
pub use kind::{LWF_GENERATED, LwfGeneratedConfig, LwfGeneratedKind};
pub(super) use term::GeneratedTerm;

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
pub struct LwfGenerated<M>(GeneratedTerm<M>);

impl<M: LanguageModel> LwfGenerated<M> {
    /// The method with rows drawn from the vocabulary of a tokenizer; without one, no task can begin.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(
        config: LwfGeneratedConfig,
        vocabulary: Option<Vocabulary<'_>>,
        seed: u64,
    ) -> Result<Self, ContinualError> {
        Ok(Self(GeneratedTerm::new(config, vocabulary, seed)?))
    }

    /// The rows of the current task, in the order in which steps take them; empty between tasks.
    pub fn generated(&self) -> &[lm::Example] {
        self.0.rows()
    }
}

impl<M: LanguageModel> Method<M> for LwfGenerated<M> {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        self.0.begin(&model, context)?;
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }

    fn penalty(&self, model: &M, step: usize) -> Option<Tensor<1>> {
        self.0.penalty(model, step, &Unmapped)
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        self.0.state()
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.0.restore(base, saved)
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        self.0.end();
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}
