//! The state of a sequence, in memory and in a checkpoint.

use burn::optim::ModuleOptimizer;
use lm::LanguageModel;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Probed, Sequence, rows_fingerprint};
use crate::checkpoint::{
    Checkpoint, SEQUENCE_FILE as STATE, StatePart, identities, with_identities,
};
use crate::clock::{Seconds, Spent};
use crate::error::ContinualError;
use crate::evaluate::AnswerScores;
use crate::method::{Method, TaskDiagnostics, nan_if_null};
use crate::protocol::{LabelScores, ResultMatrix};
use crate::trainer::{Best, Training};

const FORMAT_VERSION: u32 = 3;

/// The state of a sequence between two tasks or two scores.
pub(super) struct State<M> {
    /// The model that the sequence starts from.
    pub base: M,
    /// The model after `learned` tasks; initially the base model.
    pub model: M,
    pub matrix: ResultMatrix,
    /// The scores by the likelihood of labels, if they are measured beside those of generated answers.
    pub label_matrix: Option<ResultMatrix>,
    /// The answers in the end, task by task, as far as they are given.
    pub answers: Vec<Option<AnswerScores>>,
    /// Score of the general-knowledge probe before the first task.
    pub general: Option<f64>,
    /// What the probe found so far.
    pub probed: Vec<Probed>,
    pub diagnostics: Vec<TaskDiagnostics>,
    /// The cost of the method so far, without the current task.
    pub seconds: Seconds,
    /// Number of learned stages.
    pub learned: usize,
    /// The task in whose middle the run was saved.
    pub in_progress: Option<TaskInProgress<M>>,
    /// Identities of the base model's parameters.
    identities: Vec<u64>,
    /// Identifies the rows of the run.
    fingerprint: String,
    label_scores: LabelScores,
}

/// A task in whose middle a run was saved.
pub(super) struct TaskInProgress<M> {
    checkpoint: Checkpoint,
    saved: SavedTask,
    best: Option<Best<M>>,
}

#[derive(Serialize, Deserialize)]
struct SavedSequence {
    format_version: u32,
    fingerprint: String,
    identities: Vec<u64>,
    scores: Vec<Vec<Option<f64>>>,
    /// Absent where all answers are generated.
    #[serde(default, skip_serializing_if = "LabelScores::is_none")]
    label_scores: LabelScores,
    /// Absent unless labels are scored beside generated answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label_matrix: Option<Vec<Vec<Option<f64>>>>,
    /// Absent from checkpoints of earlier versions.
    #[serde(default)]
    answers: Vec<Option<AnswerScores>>,
    general: Option<f64>,
    /// Absent where nothing is measured beside the tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    probed: Vec<Probed>,
    diagnostics: Vec<TaskDiagnostics>,
    seconds: Seconds,
    learned: usize,
    model: Option<String>,
    task: Option<SavedTask>,
}

#[derive(Clone, Serialize, Deserialize)]
struct SavedTask {
    steps_done: usize,
    spent: Spent,
    stale: usize,
    best: Option<SavedBest>,
    model: String,
    optimizer: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct SavedBest {
    #[serde(deserialize_with = "nan_if_null")]
    loss: f64,
    step: usize,
    model: Option<String>,
}

impl<M: LanguageModel> State<M> {
    /// The state before the first task.
    pub fn new(base: M, sequence: &Sequence<'_>) -> Result<Self, ContinualError> {
        let tasks: Vec<String> = sequence
            .tasks
            .iter()
            .map(|task| task.name.clone())
            .collect();
        let label_scores = sequence.config.label_scores;
        Ok(Self {
            label_scores,
            identities: identities(&base),
            model: base.clone(),
            base,
            label_matrix: (label_scores == LabelScores::Beside)
                .then(|| ResultMatrix::new(tasks.clone())),
            matrix: ResultMatrix::new(tasks),
            answers: vec![None; sequence.tasks.len()],
            general: None,
            probed: Vec::new(),
            diagnostics: Vec::new(),
            seconds: Seconds::default(),
            learned: 0,
            in_progress: None,
            fingerprint: rows_fingerprint(sequence.tasks, sequence.general)?,
        })
    }

    /// Reads the state from a checkpoint, and restores the method.
    pub fn read(
        base: M,
        sequence: &Sequence<'_>,
        method: &mut dyn Method<M>,
        checkpoint: &Checkpoint,
    ) -> Result<Self, ContinualError> {
        let broken = |reason: &str| Err(checkpoint.broken(STATE, &reason));
        let label: Value = checkpoint.json(STATE)?;
        let version = label.get("format_version").and_then(Value::as_u64);
        if version != Some(u64::from(FORMAT_VERSION)) {
            return broken(&format!(
                "it has format version {}, this program reads {FORMAT_VERSION}",
                version.map_or("none".to_string(), |version| version.to_string())
            ));
        }
        let saved: SavedSequence = checkpoint.json(STATE)?;
        let Some(base) = with_identities(base, &saved.identities) else {
            return broken("it is of a run from another base model");
        };
        let mut state = Self::new(base, sequence)?;
        if saved.fingerprint != state.fingerprint {
            return broken("it is of a run over other rows: the data or its limits have changed");
        }
        if saved.label_scores != state.label_scores {
            return broken("its answers to tasks with labels were chosen in another way");
        }
        let beside = match (&mut state.label_matrix, &saved.label_matrix) {
            (Some(matrix), Some(scores)) => matrix.fill(scores),
            (None, None) => true,
            _ => false,
        };
        if !beside || !state.matrix.fill(&saved.scores) {
            return broken("its result matrix has another size");
        }
        if !saved.answers.is_empty() {
            if saved.answers.len() != state.matrix.task_count() {
                return broken("its answers are of another number of tasks");
            }
            state.answers = saved.answers;
        }
        state.general = saved.general;
        state.probed = saved.probed;
        state.diagnostics = saved.diagnostics;
        state.seconds = saved.seconds;
        state.learned = saved.learned;
        method.restore(&state.base, checkpoint)?;
        if let Some(name) = saved.model {
            state.model = checkpoint.module(&name, state.model)?;
        }
        if let Some(saved) = saved.task {
            state.in_progress = Some(TaskInProgress {
                checkpoint: checkpoint.clone(),
                best: None,
                saved,
            });
        }
        Ok(state)
    }

    /// The content of a checkpoint of this state, with the method's parts.
    ///
    /// In the middle of a task, `training` is the training and the time spent on the task so far.
    pub fn saved<'a>(
        &'a self,
        method: &'a dyn Method<M>,
        training: Option<(&'a Training<M>, Spent)>,
    ) -> Result<(Value, Vec<StatePart<'a>>), ContinualError> {
        let stage = self.learned;
        let mut parts = method.state();
        let mut module = |name: String, model: &'a M| {
            parts.push(StatePart::module(name.clone(), model));
            name
        };
        let mut task = None;
        let mut model = None;
        if let Some((training, spent)) = training {
            let steps = training.steps_done;
            let best = training.best.as_ref().map(|best| SavedBest {
                loss: best.loss,
                step: best.step,
                model: best
                    .model
                    .as_ref()
                    .map(|model| module(format!("best-{stage}-{}.bpk", best.step), model)),
            });
            task = Some(SavedTask {
                steps_done: steps,
                spent,
                stale: training.stale,
                best,
                model: module(format!("training-{stage}-{steps}.bpk"), &training.model),
                optimizer: format!("optimizer-{stage}-{steps}.bpk"),
            });
        } else if stage > 0 {
            model = Some(module(format!("model-{stage}.bpk"), &self.model));
        }
        if let (Some(task), Some((training, _))) = (&task, training) {
            parts.push(optimizer_part(task.optimizer.clone(), &training.optimizer));
        }
        let rows = |matrix: &ResultMatrix| matrix.rows().to_vec();
        let saved = SavedSequence {
            format_version: FORMAT_VERSION,
            fingerprint: self.fingerprint.clone(),
            identities: self.identities.clone(),
            scores: rows(&self.matrix),
            label_scores: self.label_scores,
            label_matrix: self.label_matrix.as_ref().map(rows),
            answers: self.answers.clone(),
            general: self.general,
            probed: self.probed.clone(),
            diagnostics: self.diagnostics.clone(),
            seconds: self.seconds,
            learned: self.learned,
            model,
            task,
        };
        let value = serde_json::to_value(&saved).map_err(ContinualError::saving(STATE.as_ref()))?;
        Ok((value, parts))
    }
}

impl<M: LanguageModel> TaskInProgress<M> {
    /// Time spent on the task so far.
    pub fn spent(&self) -> Spent {
        self.saved.spent
    }

    /// Optimizer steps done of the task.
    pub fn steps_done(&self) -> usize {
        self.saved.steps_done
    }

    /// Restores the training, on the model and the optimizer that the method prepared.
    pub fn resume(
        mut self,
        prepared: M,
        optimizer: ModuleOptimizer,
    ) -> Result<Training<M>, ContinualError> {
        let (checkpoint, saved) = (&self.checkpoint, &self.saved);
        if let Some(best) = &saved.best {
            let model = best.model.as_ref();
            let model = model.map(|name| checkpoint.module(name, prepared.clone()));
            self.best = Some(Best {
                loss: best.loss,
                step: best.step,
                model: model.transpose()?,
            });
        }
        let bytes = checkpoint.read(&saved.optimizer)?;
        let optimizer = optimizer
            .from_bytes(burn::tensor::Bytes::from_bytes_vec(bytes))
            .map_err(|error| checkpoint.broken(&saved.optimizer, &error))?;
        Ok(Training {
            model: checkpoint.module(&saved.model, prepared)?,
            optimizer,
            steps_done: saved.steps_done,
            best: self.best,
            stale: saved.stale,
        })
    }
}

fn optimizer_part(name: String, optimizer: &ModuleOptimizer) -> StatePart<'_> {
    let path = name.clone();
    StatePart::bytes(name, move || {
        let bytes = optimizer.into_bytes();
        let bytes = bytes.map_err(ContinualError::saving(path.as_ref()))?;
        Ok(bytes.to_vec())
    })
}
