//! The loop over tasks: learn a task, score the tasks, continue with the next.

mod distance;
mod event;
mod fingerprint;
mod outcome;
mod stages;
mod state;

use lm::{LanguageModel, TextTokenizer};

use crate::checkpoint::{Checkpoint, CheckpointPolicy, NoCheckpoints, Pause, StatePart};
use crate::clock::{Clock, Spent, TimedPart, synchronize};
use crate::error::ContinualError;
use crate::evaluate::{AnswerScores, evaluate};
use crate::method::{Method, TaskContext};
use crate::protocol::{EvaluationSet, Protocol, Scoring, Task};
use crate::trainer::{TaskTraining, TrainEvent, Training, fit};

use distance::distance_figure;
pub use event::Event;
pub use fingerprint::rows_fingerprint;
pub use outcome::{SequenceConfig, SequenceOutcome};
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
        self.check_rows()?;
        let protocol = method.protocol();
        let stages = stages(protocol, self.tasks);
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
            }),
            None => save_if_due(&state, method, None, policy, Pause::Start)?,
        }
        if let (Some(set), None) = (self.general, state.general) {
            let (score, _) = self.score(&state.model, 0, None, set, policy, on_event)?;
            state.general = Some(score);
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
            }
            let Some(stage) = stages.get(state.learned) else {
                break;
            };
            self.learn(&mut state, stage, stages.len(), method, policy, on_event)?;
            save_if_due(&state, method, None, policy, Pause::Learned)?;
        }
        if protocol == Protocol::Independent {
            let last = self.tasks.len();
            for task in 0..last {
                if let Some(score) = state.matrix.get(task + 1, task) {
                    state.matrix.set(last, task, score);
                }
            }
        }
        let after = match self.general {
            // Independent models have no common model to probe.
            Some(set) if protocol != Protocol::Independent => {
                let last = self.tasks.len();
                let (score, _) = self.score(&state.model, last, None, set, policy, on_event)?;
                Some(score)
            }
            _ => None,
        };
        Ok(SequenceOutcome {
            model: state.model,
            protocol,
            matrix: state.matrix,
            answers: state.answers,
            general: state.general.zip(after),
            diagnostics: state.diagnostics,
            seconds: state.seconds,
        })
    }

    fn check_rows(&self) -> Result<(), ContinualError> {
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
            let (score, rows) = self.score(model, learned, Some(index), set, policy, on_event)?;
            state.matrix.set(learned, index, score);
            let is_last = match method.protocol() {
                Protocol::Independent => learned == index + 1,
                Protocol::Sequential | Protocol::Joint => learned == count,
            };
            if is_last {
                state.answers[index] = Some(rows);
            }
            save_if_due(state, method, None, policy, Pause::Scored)?;
        }
        Ok(())
    }

    fn score<M: LanguageModel>(
        &self,
        model: &M,
        learned: usize,
        task: Option<usize>,
        set: &EvaluationSet,
        policy: &dyn CheckpointPolicy,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(f64, AnswerScores), ContinualError> {
        let SequenceConfig {
            evaluation_batch,
            decoding,
            ..
        } = *self.config;
        let mut on_answers = |questions| {
            on_event(Event::Answered { questions });
            match policy.stopping() {
                // The latest checkpoint was saved right before these questions.
                true => Err(ContinualError::Interrupted),
                false => Ok(()),
            }
        };
        let tokenizer = self.tokenizer;
        let result = evaluate(
            model,
            tokenizer,
            set,
            evaluation_batch,
            decoding,
            &mut on_answers,
        )?;
        on_event(Event::Scored {
            learned,
            task,
            score: result.score,
            answers: &result.answers,
        });
        Ok((result.score, result.rows))
    }

    /// Learns one stage.
    fn learn<M: LanguageModel>(
        &self,
        state: &mut State<M>,
        task: &Task,
        count: usize,
        method: &mut dyn Method<M>,
        policy: &mut dyn CheckpointPolicy,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ContinualError> {
        let index = state.learned;
        let name = task.name.as_str();
        let in_progress = state.in_progress.take();
        let clock = match &in_progress {
            Some(saved) => Clock::resume(saved.spent()),
            None => Clock::start(),
        };
        let optimizer = self.config.train.optimizer();
        let before = self.config.learned_before;
        let context = TaskContext {
            index: before + index,
            count: before + count,
            task,
            clock: &clock,
            optimizer: &optimizer,
        };
        if in_progress.is_none() {
            on_event(Event::TaskStarted { task: index, name });
        }
        // Nothing reads the previous model while a task is learned, and a method may store it in
        // fewer bytes: do not keep it beside the trained model.
        let model = std::mem::replace(&mut state.model, state.base.clone());
        let (prepared, optimizer) = method.begin_task(model, context)?;
        if in_progress.is_none() {
            on_event(Event::Prepared {
                trains: &method.trains().unwrap_or_default(),
            });
        }
        let training = match in_progress {
            Some(saved) => saved.resume(prepared, optimizer)?,
            None => Training::new(prepared, optimizer),
        };
        let rows = method.rows(task)?;
        let task_training = TaskTraining {
            task: name,
            config: &self.config.train,
            rows: rows.as_ref(),
            validation: task.validation.as_deref(),
            epochs: task.epochs,
            seed: task_seed(self.config.seed, before + index),
        };
        let mut steps_done = training.steps_done;
        let trained = fit(training, task_training, method, &mut |event| match event {
            TrainEvent::Stepped(step) => {
                steps_done = step.step;
                on_event(Event::Stepped {
                    task: index,
                    name,
                    step,
                });
                Ok(())
            }
            TrainEvent::Validated(loss) => {
                on_event(Event::Validated {
                    task: index,
                    name,
                    steps_done,
                    loss,
                });
                Ok(())
            }
            TrainEvent::Settled(training) => {
                let in_progress = Some((training, clock.spent()));
                clock.time(TimedPart::Uncounted, || {
                    save_if_due(state, method, in_progress, policy, Pause::Step)
                })
            }
        })?;
        let (model, mut diagnostics) = method.end_task(trained, context)?;
        synchronize(&model);
        let seconds = clock.seconds();
        state.seconds = state.seconds.plus(seconds);
        diagnostics.steps = steps_done;
        if self.config.scoring != Scoring::Nothing {
            diagnostics.carried_bytes = Some(carried_bytes(method)?);
        }
        diagnostics
            .figures
            .push(distance_figure(&state.base, &model));
        state.model = model;
        state.learned += 1;
        on_event(Event::TaskLearned {
            task: index,
            name,
            diagnostics: &diagnostics,
            seconds,
        });
        state.diagnostics.push(diagnostics);
        Ok(())
    }
}

/// Bytes of everything that a method carries to the next task, part by part.
fn carried_bytes<M: LanguageModel>(method: &dyn Method<M>) -> Result<u64, ContinualError> {
    let sizes = method.carried().into_iter().map(StatePart::size);
    sizes.sum()
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
    match stopping {
        true => Err(ContinualError::Interrupted),
        false => Ok(()),
    }
}

/// Gives every task of a run its own shuffle seed; task 1 of seed 0 differs from task 0 of seed 1.
fn task_seed(seed: u64, task: usize) -> u64 {
    seed.wrapping_mul(1_000_003).wrapping_add(task as u64)
}
