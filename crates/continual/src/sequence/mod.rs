//! The loop over tasks: learn one, score those seen so far, go on.

mod event;
mod fingerprint;
mod outcome;
mod stages;
mod state;

use lm::{LanguageModel, TextTokenizer};

use crate::checkpoint::{Checkpoint, CheckpointPolicy, NoCheckpoints, Pause};
use crate::clock::{Clock, Spent, TimedPart, synchronize};
use crate::error::ContinualError;
use crate::evaluate::evaluate;
use crate::method::{Method, TaskContext};
use crate::protocol::{EvaluationSet, Protocol, Task};
use crate::trainer::{TaskTraining, TrainEvent, Training, fit};

pub use event::Event;
pub use fingerprint::rows_fingerprint;
pub use outcome::{SequenceConfig, SequenceOutcome};
use stages::stages;
use state::State;

/// Tasks in the order they are learned, and how.
#[derive(Clone, Copy)]
pub struct Sequence<'a> {
    /// Decodes answers.
    pub tokenizer: &'a TextTokenizer,
    /// The tasks.
    pub tasks: &'a [Task],
    /// Questions that probe what the base model knows, asked before the first and after the last
    /// task.
    pub general: Option<&'a EvaluationSet>,
    /// Settings.
    pub config: &'a SequenceConfig,
}

impl Sequence<'_> {
    /// Learns the tasks, from `model` on.
    ///
    /// # Errors
    ///
    /// The first error of training or scoring; everything up to it has been reported by events.
    pub fn run<M: LanguageModel>(
        &self,
        model: M,
        method: &mut dyn Method<M>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<SequenceOutcome<M>, ContinualError> {
        self.run_kept(model, method, None, &mut NoCheckpoints, on_event)
    }

    /// Learns the tasks, from `model` on or from where the `checkpoint` of such a run stands, and
    /// has a policy save what another process needs to go on.
    ///
    /// A run that goes on from a checkpoint ends with the numbers it would have ended with,
    /// training times aside.
    ///
    /// # Errors
    ///
    /// The first error of training, scoring or saving; [`ContinualError::Interrupted`] when the
    /// policy stops the run, after it has saved it; [`ContinualError::BrokenCheckpoint`].
    pub fn run_kept<M: LanguageModel>(
        &self,
        model: M,
        method: &mut dyn Method<M>,
        checkpoint: Option<&Checkpoint>,
        policy: &mut dyn CheckpointPolicy,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<SequenceOutcome<M>, ContinualError> {
        self.check()?;
        let protocol = method.protocol();
        let stages = stages(protocol, self.tasks)?;
        let mut state = match checkpoint {
            Some(checkpoint) => State::read(model, self, method, checkpoint)?,
            None => State::new(model, self)?,
        };
        match checkpoint {
            Some(_) => on_event(Event::Resumed {
                learned: state.learned,
                before: state.diagnostics.iter().map(|task| task.steps).sum(),
                steps_done: state.under_way.as_ref().map_or(0, |task| task.steps_done()),
                matrix: &state.matrix,
                general: state.general.is_some(),
            }),
            None => keep(&state, method, None, policy, Pause::Start)?,
        }
        if let (Some(set), None) = (self.general, state.general) {
            state.general = Some(self.score(&state.model, 0, None, set, policy, on_event)?);
            keep(&state, method, None, policy, Pause::Scored)?;
        }
        loop {
            // In the middle of a task there is nothing left to score before it.
            if state.under_way.is_none() {
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
            keep(&state, method, None, policy, Pause::Learned)?;
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
            // There is no one model that knows all tasks.
            Some(set) if protocol != Protocol::Independent => {
                let last = self.tasks.len();
                Some(self.score(&state.model, last, None, set, policy, on_event)?)
            }
            _ => None,
        };
        Ok(SequenceOutcome {
            model: state.model,
            protocol,
            matrix: state.matrix,
            general: state.general.zip(after),
            diagnostics: state.diagnostics,
            seconds: state.seconds,
        })
    }

    fn check(&self) -> Result<(), ContinualError> {
        for task in self.tasks {
            let what = match (task.train.is_empty(), task.evaluation.questions.is_empty()) {
                (true, _) => "training",
                (_, true) => "evaluation",
                _ => continue,
            };
            return Err(ContinualError::NoRows {
                task: task.name.clone(),
                what,
            });
        }
        Ok(())
    }

    /// Measures what is to be measured after `learned` tasks and has not been yet.
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
            let wanted = scoring.measures(method.protocol(), learned, index, count);
            if !wanted || state.matrix.get(learned, index).is_some() {
                continue;
            }
            let (model, set) = (&state.model, &task.evaluation);
            let found = self.score(model, learned, Some(index), set, policy, on_event)?;
            state.matrix.set(learned, index, found);
            keep(state, method, None, policy, Pause::Scored)?;
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
    ) -> Result<f64, ContinualError> {
        let SequenceConfig {
            evaluation_batch,
            decoding,
            ..
        } = *self.config;
        let mut on_answers = |questions| {
            on_event(Event::Answered { questions });
            match policy.stopping() {
                // What was saved last is from right before these questions.
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
        Ok(result.score)
    }

    /// Learns the next stage.
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
        let under_way = state.under_way.take();
        let clock = match &under_way {
            Some(saved) => Clock::resume(saved.spent()),
            None => Clock::start(),
        };
        let optimizer = self.config.train.optimizer();
        let context = TaskContext {
            index,
            count,
            task,
            clock: &clock,
            optimizer: &optimizer,
        };
        if under_way.is_none() {
            on_event(Event::TaskStarted { task: index, name });
        }
        // Not kept beside what trains: a method may hold it in fewer bytes. While a task is learned nothing
        // reads the model before it.
        let model = std::mem::replace(&mut state.model, state.base.clone());
        let (prepared, optimizer) = method.begin_task(model, context)?;
        let training = match under_way {
            Some(saved) => saved.taken_up(prepared, optimizer)?,
            None => Training::new(prepared, optimizer),
        };
        let task_training = TaskTraining {
            task: name,
            config: &self.config.train,
            rows: task.train.as_ref(),
            validation: task.validation.as_deref(),
            epochs: task.epochs,
            seed: task_seed(self.config.seed, index),
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
                let under_way = Some((training, clock.spent()));
                clock.time(TimedPart::Uncounted, || {
                    keep(state, method, under_way, policy, Pause::Step)
                })
            }
        })?;
        let (model, mut report) = method.end_task(trained, context)?;
        synchronize(&model);
        let seconds = clock.seconds();
        state.seconds = state.seconds.plus(seconds);
        report.steps = steps_done;
        state.model = model;
        state.learned += 1;
        on_event(Event::TaskLearned {
            task: index,
            name,
            diagnostics: &report,
            seconds,
        });
        state.diagnostics.push(report);
        Ok(())
    }
}

/// Saves the run if it is time to, and ends it if it is to stop.
fn keep<M: LanguageModel>(
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

/// Tasks of one run shuffle differently, and task 1 of seed 0 unlike task 0 of seed 1.
fn task_seed(seed: u64, task: usize) -> u64 {
    seed.wrapping_mul(1_000_003).wrapping_add(task as u64)
}
