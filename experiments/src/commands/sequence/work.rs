//! How much a run has to do, for its progress: rows trained on and questions answered.

use continual::{Protocol, ResultMatrix, Scoring};

use super::prepare::Prepared;
use crate::config::{MethodName, RunConfig};

/// What one method with one seed has to do.
pub struct Work {
    /// Rows that each stage trains on, over all epochs.
    stages: Vec<usize>,
    /// Rows of one epoch of each stage.
    epochs: Vec<usize>,
    /// Questions of every task.
    questions: Vec<usize>,
    /// Questions of the probe.
    general: usize,
    protocol: Protocol,
    scoring: Scoring,
    batch: usize,
}

impl Work {
    /// The work of a method.
    pub fn new(config: &RunConfig, prepared: &Prepared, method: MethodName) -> Self {
        let protocol = method.protocol();
        let tasks = &prepared.tasks;
        let mut stages: Vec<usize> = tasks.iter().map(|t| t.epochs * t.train.len()).collect();
        let mut epochs: Vec<usize> = tasks.iter().map(|task| task.train.len()).collect();
        if protocol == Protocol::Joint {
            stages = vec![stages.iter().sum()];
            epochs = stages.clone();
        }
        Self {
            stages,
            epochs,
            questions: tasks.iter().map(|t| t.evaluation.questions.len()).collect(),
            general: prepared
                .general
                .as_ref()
                .map_or(0, |set| set.questions.len()),
            protocol,
            scoring: config.scoring.into(),
            batch: config.train.global_batch,
        }
    }

    /// All of it.
    pub fn total(&self) -> usize {
        let count = self.questions.len();
        let mut answering = 0;
        for learned in 0..=count {
            for (task, questions) in self.questions.iter().enumerate() {
                if self.scoring.measures(self.protocol, learned, task, count) {
                    answering += questions;
                }
            }
        }
        let probes = match self.protocol {
            Protocol::Independent => 1,
            _ => 2,
        };
        self.stages.iter().sum::<usize>() + answering + probes * self.general
    }

    /// Rows that a stage trains on.
    pub fn stage_rows(&self, stage: usize) -> usize {
        self.stages.get(stage).copied().unwrap_or(0)
    }

    /// Rows that the first steps of a stage train on; of a step that is an epoch's last one, and
    /// smaller, it is not known which one it is.
    pub fn rows_after(&self, stage: usize, steps: usize) -> usize {
        let rows = self.epochs.get(stage).copied().unwrap_or(0);
        let per_epoch = rows.div_ceil(self.batch).max(1);
        (steps / per_epoch) * rows + (steps % per_epoch) * self.batch
    }

    /// What is done after some stages, some rows of the next one, and some scores.
    pub fn done(&self, learned: usize, rows: usize, matrix: &ResultMatrix, general: bool) -> usize {
        let trained: usize = self.stages.iter().take(learned).sum();
        let mut answered = if general { self.general } else { 0 };
        for row in 0..=self.questions.len() {
            let scored = matrix.row(row).iter().zip(&self.questions);
            answered += scored
                .filter(|(score, _)| score.is_some())
                .map(|(_, questions)| questions)
                .sum::<usize>();
        }
        trained + rows + answered
    }
}
