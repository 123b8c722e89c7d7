//! The loop over tasks: learn one, score those seen so far, go on.

use std::time::Instant;

use lm::{LanguageModel, TextTokenizer};

use crate::trainer::{Course, Step, TrainConfig, fit};
use crate::{
    ContinualError, EvaluationSet, Method, ResultMatrix, Task, TaskContext, TaskDiagnostics,
    evaluate,
};

/// Which scores are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scoring {
    /// What AA, BWT, FWT and forgetting need: all tasks before the first one, and after each task
    /// all learned ones and the next.
    #[default]
    Needed,
    /// Only what AA and BWT need: each task right after it is learned, and all after the last.
    Final,
    /// Every task after every task.
    Full,
}

impl Scoring {
    /// Whether task `task` (from 0) is scored after `learned` of `tasks` tasks.
    pub fn measures(self, learned: usize, task: usize, tasks: usize) -> bool {
        match self {
            Self::Needed => learned == 0 || task <= learned,
            Self::Final => learned == tasks || task + 1 == learned,
            Self::Full => true,
        }
    }
}

/// Settings of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceConfig {
    /// Settings of the training loop.
    pub train: TrainConfig,
    /// Which scores are measured.
    pub scoring: Scoring,
    /// Questions answered at a time.
    pub evaluation_batch: usize,
    /// Decides the order of the rows.
    pub seed: u64,
}

/// What happens during a sequence, as it happens.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A task begins.
    TaskStarted {
        /// Index of the task, from 0.
        task: usize,
    },
    /// An optimizer step is done.
    Stepped {
        /// Index of the task, from 0.
        task: usize,
        /// The step.
        step: Step,
    },
    /// A task is learned.
    TaskLearned {
        /// Index of the task, from 0.
        task: usize,
        /// What the method says about it.
        diagnostics: &'a TaskDiagnostics,
        /// Training time of the task in seconds, the split included.
        seconds: f64,
    },
    /// A task is scored.
    Scored {
        /// Number of tasks learned so far.
        learned: usize,
        /// Index of the scored task, from 0; `None` for the general-knowledge probe.
        task: Option<usize>,
        /// The score, in `[0, 100]`.
        score: f64,
        /// The answers it was given for.
        answers: &'a [String],
    },
}

/// Result of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceOutcome<M> {
    /// The model after the last task.
    pub model: M,
    /// All scores measured.
    pub matrix: ResultMatrix,
    /// Score of the general-knowledge probe before the first and after the last task.
    pub general: Option<(f64, f64)>,
    /// What the method said about each task.
    pub diagnostics: Vec<TaskDiagnostics>,
    /// Training time over all tasks in seconds.
    pub training_seconds: f64,
}

/// Learns tasks in sequence.
///
/// # Errors
///
/// The first error of training or scoring; everything up to it has been reported by events.
pub fn run_sequence<M: LanguageModel>(
    model: M,
    tokenizer: &TextTokenizer,
    tasks: &[Task],
    general: Option<&EvaluationSet>,
    method: &mut dyn Method<M>,
    config: &SequenceConfig,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<SequenceOutcome<M>, ContinualError> {
    for task in tasks {
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
    let mut model = model;
    let mut matrix = ResultMatrix::new(tasks.iter().map(|task| task.name.clone()).collect());
    let mut diagnostics = Vec::new();
    let mut training_seconds = 0.0;
    let score = |model: &M,
                 learned: usize,
                 task: Option<usize>,
                 set: &EvaluationSet,
                 on_event: &mut dyn FnMut(Event<'_>)|
     -> Result<f64, ContinualError> {
        let result = evaluate(model, tokenizer, set, config.evaluation_batch)?;
        on_event(Event::Scored {
            learned,
            task,
            score: result.score,
            answers: &result.answers,
        });
        Ok(result.score)
    };
    let general_before = match general {
        Some(set) => Some(score(&model, 0, None, set, on_event)?),
        None => None,
    };
    for learned in 0..=tasks.len() {
        if learned > 0 {
            let index = learned - 1;
            let task = &tasks[index];
            on_event(Event::TaskStarted { task: index });
            let start = Instant::now();
            let context = TaskContext {
                index,
                count: tasks.len(),
                task,
            };
            let inner = config.train.optimizer();
            let (prepared, mut optimizer) = method.begin_task(model, inner, context)?;
            let trained = fit(
                prepared,
                task.train.as_ref(),
                Course {
                    config: &config.train,
                    epochs: task.epochs,
                    seed: task_seed(config.seed, index),
                },
                method,
                &mut optimizer,
                &mut |step| on_event(Event::Stepped { task: index, step }),
            )?;
            let seconds = start.elapsed().as_secs_f64();
            training_seconds += seconds;
            let (learned_model, report) = method.end_task(trained, context)?;
            model = learned_model;
            on_event(Event::TaskLearned {
                task: index,
                diagnostics: &report,
                seconds,
            });
            diagnostics.push(report);
        }
        for (index, task) in tasks.iter().enumerate() {
            if config.scoring.measures(learned, index, tasks.len()) {
                let found = score(&model, learned, Some(index), &task.evaluation, on_event)?;
                matrix.set(learned, index, found);
            }
        }
    }
    let general_after = match general {
        Some(set) => Some(score(&model, tasks.len(), None, set, on_event)?),
        None => None,
    };
    Ok(SequenceOutcome {
        model,
        matrix,
        general: general_before.zip(general_after),
        diagnostics,
        training_seconds,
    })
}

/// Tasks of one run shuffle differently, and task 1 of seed 0 unlike task 0 of seed 1.
fn task_seed(seed: u64, task: usize) -> u64 {
    seed.wrapping_mul(1_000_003).wrapping_add(task as u64)
}
