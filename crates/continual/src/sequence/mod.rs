//! The loop over tasks: learn a task, score the tasks, continue with the next.

mod distance;
mod event;
mod fingerprint;
mod learn;
mod outcome;
mod probe;
mod stages;
mod state;

use lm::{LanguageModel, TextTokenizer};

use crate::checkpoint::{Checkpoint, CheckpointPolicy, NoCheckpoints, Pause};
use crate::clock::Spent;
use crate::error::ContinualError;
use crate::evaluate::{Evaluation, evaluate, evaluate_by_likelihood};
use crate::method::Method;
use crate::protocol::{EvaluationSet, LabelScores, Protocol, ResultMatrix, Scoring, Task};
use crate::trainer::Training;

pub use event::Event;
pub use fingerprint::rows_fingerprint;
pub use outcome::{SequenceConfig, SequenceOutcome};
pub use probe::{Probe, Probed};
use stages::stages;
use state::State;

/// Tasks in the order in which they are learned, with settings.
#[derive(Clone, Copy)]
pub struct Sequence<'a> {
    /// Decodes the answers.
    pub tokenizer: &'a TextTokenizer,
    /// The tasks.
    pub tasks: &'a [Task],
    /// Questions about general knowledge, asked before the first and after the last task.
    pub general: Option<&'a EvaluationSet>,
    /// Settings.
    pub config: &'a SequenceConfig,
}

impl Sequence<'_> {
    /// Learns the tasks, starting with `model`, without checkpoints.
    ///
    /// # Errors
    ///
    /// The first error of training or scoring; events have reported everything before it.
    pub fn run<M: LanguageModel>(
        &self,
        model: M,
        method: &mut dyn Method<M>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<SequenceOutcome<M>, ContinualError> {
        self.run_kept(model, method, None, &mut NoCheckpoints, on_event)
    }

    /// Learns the tasks with checkpoints: starts with `model`, or resumes from `checkpoint`.
    ///
    /// `policy` decides when to save. A resumed run ends with the same numbers as an uninterrupted
    /// one, except for times.
    ///
    /// # Errors
    ///
    /// The first error of training, scoring or saving; [`ContinualError::Interrupted`] if the
    /// policy stops the run, after a checkpoint was saved; [`ContinualError::BrokenCheckpoint`] if
    /// the checkpoint belongs to another run.
    pub fn run_kept<M: LanguageModel>(
        &self,
        model: M,
        method: &mut dyn Method<M>,
        checkpoint: Option<&Checkpoint>,
        policy: &mut dyn CheckpointPolicy,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<SequenceOutcome<M>, ContinualError> {
        self.run_probed(model, method, checkpoint, policy, None, on_event)
    }

    /// As [`run_kept`](Self::run_kept), and has `probe` measure the model after every stage.
    ///
    /// # Errors
    ///
    /// As [`run_kept`](Self::run_kept), and the first error of the probe.
    pub fn run_probed<M: LanguageModel>(
        &self,
        model: M,
        method: &mut dyn Method<M>,
        checkpoint: Option<&Checkpoint>,
        policy: &mut dyn CheckpointPolicy,
        probe: Option<&dyn Probe<M>>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<SequenceOutcome<M>, ContinualError> {
        self.check_rows()?;
        self.config.train.check_for(&model)?;
        let protocol = method.protocol();
        let validated = self.config.train.validation.every_epochs > 0;
        let stages = stages(protocol, self.tasks, validated);
        let mut state = match checkpoint {
            Some(checkpoint) => State::read(model, self, method, checkpoint)?,
            None => State::new(model, self)?,
        };
        match checkpoint {
            Some(_) => on_event(Event::Resumed {
                learned: state.learned,
                before: state.diagnostics.iter().map(|task| task.steps).sum(),
                steps_done: state
                    .in_progress
                    .as_ref()
                    .map_or(0, |task| task.steps_done()),
                matrix: &state.matrix,
                general: state.general.is_some(),
                probed: &state.probed,
            }),
            None => save_if_due(&state, method, None, policy, Pause::Start)?,
        }
        if let (Some(set), None) = (self.general, state.general) {
            let (score, _) = self.score(&state.model, 0, None, set, policy, on_event)?;
            state.general = Some(score.score);
            save_if_due(&state, method, None, policy, Pause::Scored)?;
        }
        loop {
            // In the middle of a task, all earlier scores are already measured.
            if state.in_progress.is_none() {
                let learned = match (protocol, state.learned) {
                    (Protocol::Joint, 1..) => self.tasks.len(),
                    (_, learned) => learned,
                };
                self.score_tasks(&mut state, learned, method, policy, on_event)?;
                if let (Some(probe), Protocol::Sequential | Protocol::Joint) = (probe, protocol) {
                    self.probe(&mut state, learned, probe, method, policy, on_event)?;
                }
            }
            let Some(stage) = stages.get(state.learned) else {
                break;
            };
            self.learn(&mut state, stage, stages.len(), method, policy, on_event)?;
            save_if_due(&state, method, None, policy, Pause::Learned)?;
        }
        if protocol == Protocol::Independent {
            repeat_own_scores(&mut state.matrix);
            if let Some(matrix) = &mut state.label_matrix {
                repeat_own_scores(matrix);
            }
        }
        let after = match self.general {
            // Independent models have no common model to probe.
            Some(set) if protocol != Protocol::Independent => {
                let last = self.tasks.len();
                let (score, _) = self.score(&state.model, last, None, set, policy, on_event)?;
                Some(score.score)
            }
            _ => None,
        };
        Ok(SequenceOutcome {
            model: state.model,
            protocol,
            matrix: state.matrix,
            label_matrix: state.label_matrix,
            by_likelihood: self.scored_by_likelihood(),
            answers: state.answers,
            general: state.general.zip(after),
            probed: state.probed,
            diagnostics: state.diagnostics,
            seconds: state.seconds,
        })
    }

    fn check_rows(&self) -> Result<(), ContinualError> {
        // The mean over no question would be 0, the score of a model that knows nothing.
        if self.general.is_some_and(|set| set.questions.is_empty()) {
            return Err(ContinualError::NoRows {
                task: "general knowledge".to_string(),
                what: "evaluation",
            });
        }
        for task in self.tasks {
            let what = match (task.train.is_empty(), task.evaluation.questions.is_empty()) {
                (true, _) => "training",
                (_, true) if self.config.scoring != Scoring::Nothing => "evaluation",
                _ => continue,
            };
            return Err(ContinualError::NoRows {
                task: task.name.clone(),
                what,
            });
        }
        Ok(())
    }

    /// Measures the scores after `learned` tasks that are required and not yet measured.
    fn score_tasks<M: LanguageModel>(
        &self,
        state: &mut State<M>,
        learned: usize,
        method: &dyn Method<M>,
        policy: &mut dyn CheckpointPolicy,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ContinualError> {
        let (scoring, count) = (self.config.scoring, self.tasks.len());
        for (index, task) in self.tasks.iter().enumerate() {
            let required = scoring.measures(method.protocol(), learned, index, count);
            if !required || state.matrix.get(learned, index).is_some() {
                continue;
            }
            let (model, set) = (&state.model, &task.evaluation);
            let (found, beside) = self.score(model, learned, Some(index), set, policy, on_event)?;
            state.matrix.set(learned, index, found.score);
            if let (Some(matrix), Some(score)) = (&mut state.label_matrix, beside) {
                matrix.set(learned, index, score);
            }
            let is_last = match method.protocol() {
                Protocol::Independent => learned == index + 1,
                Protocol::Sequential | Protocol::Joint => learned == count,
            };
            if is_last {
                state.answers[index] = Some(found.rows);
            }
            save_if_due(state, method, None, policy, Pause::Scored)?;
        }
        Ok(())
    }

    /// Has the probe measure the model after `learned` tasks, unless it has done so.
    fn probe<M: LanguageModel>(
        &self,
        state: &mut State<M>,
        learned: usize,
        probe: &dyn Probe<M>,
        method: &dyn Method<M>,
        policy: &mut dyn CheckpointPolicy,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ContinualError> {
        let done = state.probed.iter().any(|probed| probed.learned == learned);
        if learned == 0 || done {
            return Ok(());
        }
        let mut answered = |what: &str, rows| {
            on_event(Event::Probed { what, rows });
            // The latest checkpoint was saved right before.
            ended_if(policy.stopping())
        };
        let found = probe.measure(&state.model, learned, self.tasks.len(), &mut answered)?;
        if let Some(found) = found {
            state.probed.push(Probed { learned, found });
            save_if_due(state, method, None, policy, Pause::Scored)?;
        }
        Ok(())
    }

    /// The tasks whose scores in the result matrix are by the likelihood of their labels.
    fn scored_by_likelihood(&self) -> Vec<String> {
        let instead = self.config.label_scores == LabelScores::Instead;
        let chosen = self
            .tasks
            .iter()
            .filter(|task| instead && !task.evaluation.scorer.labels().is_empty());
        chosen.map(|task| task.name.clone()).collect()
    }

    /// The answers that count for the result matrix, and the score of the likeliest labels where it stands beside.
    fn score<M: LanguageModel>(
        &self,
        model: &M,
        learned: usize,
        task: Option<usize>,
        set: &EvaluationSet,
        policy: &dyn CheckpointPolicy,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(Evaluation, Option<f64>), ContinualError> {
        let SequenceConfig {
            evaluation_batch: batch,
            decoding,
            label_scores,
            ..
        } = *self.config;
        let mut on_answers = |questions| {
            on_event(Event::Answered { questions });
            // The latest checkpoint was saved right before these questions.
            ended_if(policy.stopping())
        };
        let tokenizer = self.tokenizer;
        let likeliest = match label_scores {
            LabelScores::None => None,
            _ => evaluate_by_likelihood(model, tokenizer, set, batch, &mut on_answers)?,
        };
        let (found, beside) = match (label_scores, likeliest) {
            (LabelScores::Instead, Some(likeliest)) => (likeliest, None),
            (_, likeliest) => (
                evaluate(model, tokenizer, set, batch, decoding, &mut on_answers)?,
                likeliest.map(|likeliest| likeliest.score),
            ),
        };
        on_event(Event::Scored {
            learned,
            task,
            score: found.score,
            beside,
            answers: &found.answers,
        });
        Ok((found, beside))
    }
}

/// Takes over the score of every independent model on its own task to the last row.
fn repeat_own_scores(matrix: &mut ResultMatrix) {
    let last = matrix.task_count();
    for task in 0..last {
        if let Some(score) = matrix.get(task + 1, task) {
            matrix.set(last, task, score);
        }
    }
}

/// Saves the run if the policy asks for it, and ends the run if the policy stops it.
fn save_if_due<M: LanguageModel>(
    state: &State<M>,
    method: &dyn Method<M>,
    training: Option<(&Training<M>, Spent)>,
    policy: &mut dyn CheckpointPolicy,
    pause: Pause,
) -> Result<(), ContinualError> {
    let stopping = policy.stopping();
    if stopping || policy.due(pause) {
        let (value, parts) = state.saved(method, training)?;
        policy.save(value, parts)?;
    }
    ended_if(stopping)
}

/// [`ContinualError::Interrupted`] if the policy stops the run.
fn ended_if(stopping: bool) -> Result<(), ContinualError> {
    match stopping {
        true => Err(ContinualError::Interrupted),
        false => Ok(()),
    }
}
