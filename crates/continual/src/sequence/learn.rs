//! One stage of a sequence: prepare model and method, train, complete the task, report on it.

use lm::LanguageModel;

use super::distance::{distance_figure, is_finite};
use super::state::State;
use super::{Event, Sequence, save_if_due};
use crate::checkpoint::{CheckpointPolicy, Pause, StatePart};
use crate::clock::{Clock, TimedPart, synchronize};
use crate::error::ContinualError;
use crate::method::{Method, TaskContext};
use crate::protocol::{Scoring, Task};
use crate::trainer::{TaskTraining, TrainEvent, Training, fit};

impl Sequence<'_> {
    /// Learns one stage.
    pub(super) fn learn<M: LanguageModel>(
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
            first: before,
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
        let not_finite = || ContinualError::NotFinite {
            task: name.to_string(),
        };
        // After the last step, no loss would tell; and what a method computes from such weights may fail in its own way.
        // Training that is enqueued counts as training.
        synchronize(&trained);
        if !clock.time(TimedPart::Uncounted, || is_finite(&trained)) {
            return Err(not_finite());
        }
        let (model, mut diagnostics) = method.end_task(trained, context)?;
        synchronize(&model);
        let seconds = clock.seconds();
        state.seconds = state.seconds.plus(seconds);
        diagnostics.steps = steps_done;
        if self.config.scoring != Scoring::Nothing {
            diagnostics.carried_bytes = Some(carried_bytes(method)?);
        }
        let continues = self.config.learned_before > 0;
        let distance = distance_figure(&state.base, &model, continues);
        if !distance.value.is_finite() {
            return Err(not_finite());
        }
        diagnostics.figures.push(distance);
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

/// Gives every task of a run its own shuffle seed; task 1 of seed 0 differs from task 0 of seed 1.
fn task_seed(seed: u64, task: usize) -> u64 {
    seed.wrapping_mul(1_000_003).wrapping_add(task as u64)
}
