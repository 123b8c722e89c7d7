//! The work of a run: rows to train on and questions to answer. The estimate before a run and its
//! progress count the same work.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use continual::trainer::step_count;
use continual::{LabelScores, Probed, Protocol, ResultMatrix, Scoring};

use crate::data::PreparedTasks;
use crate::settings::RunConfig;
use crate::suites::GeneralSuites;

/// The numbers of a task that determine its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskSize {
    /// Rows to learn from.
    pub train: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// Questions that its score needs.
    pub questions: usize,
    /// Whether it has a list of labels.
    pub labelled: bool,
}

/// The work of one method with one seed.
pub struct Work {
    /// Rows that each stage trains on, over all epochs.
    stages: Vec<usize>,
    /// Rows per epoch of each stage.
    epochs: Vec<usize>,
    /// Questions that every score of each task asks: those of a task are asked twice where labels are scored beside
    /// generated answers.
    questions: Vec<usize>,
    /// How many of these are scored by the likelihood of labels.
    likelihoods: Vec<usize>,
    /// Questions of the general-knowledge probe.
    general: usize,
    /// Rows of suites of general ability, after every task but the last and after that.
    suites: (usize, usize),
    protocol: Protocol,
    scoring: Scoring,
    batch: usize,
    steps: usize,
}

impl Work {
    /// The work of a method on loaded tasks.
    ///
    /// # Errors
    ///
    /// If there is no such method, or if it learns all tasks at once and a loss on validation rows decides at the end of
    /// epochs that they do not share.
    pub fn new(config: &RunConfig, prepared: &PreparedTasks, method: &str) -> Result<Self> {
        let own: Vec<usize> = prepared.tasks.iter().map(|task| task.train.len()).collect();
        let kind = config.kind(method)?;
        let epochs: BTreeSet<usize> = prepared.tasks.iter().map(|task| task.epochs).collect();
        ensure!(
            kind.protocol() != Protocol::Joint
                || !config.train.validation.decides()
                || epochs.len() <= 1,
            "{method} learns all tasks at once, and theirs are {} epochs: patience and keep_best decide between epochs, which \
             have to be the same for all; give --epochs, or leave {method} out",
            epochs
                .iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        );
        let rows = kind.rows_per_task(config.method(method), &own)?;
        let sizes = prepared
            .tasks
            .iter()
            .zip(rows)
            .map(|(task, train)| TaskSize {
                train,
                epochs: task.epochs,
                questions: task.evaluation.questions.len(),
                labelled: !task.evaluation.scorer.labels().is_empty(),
            });
        let general = prepared.general.as_ref();
        let general = general.map_or(0, |set| set.questions.len());
        Ok(Self::of(
            config,
            &sizes.collect::<Vec<_>>(),
            general,
            kind.protocol(),
        ))
    }

    /// The work on tasks of given sizes, with a probe of `general` questions.
    pub fn of(config: &RunConfig, tasks: &[TaskSize], general: usize, protocol: Protocol) -> Self {
        let mut stages: Vec<usize> = tasks.iter().map(|task| task.epochs * task.train).collect();
        let mut epochs: Vec<usize> = tasks.iter().map(|task| task.train).collect();
        let joint = protocol == Protocol::Joint;
        if joint {
            stages = vec![stages.iter().sum()];
            epochs = stages.clone();
        }
        let steps = match joint {
            true => stages
                .iter()
                .map(|&rows| step_count(rows, 1, &config.train))
                .sum(),
            false => {
                let steps = tasks
                    .iter()
                    .map(|task| step_count(task.train, task.epochs, &config.train));
                steps.sum()
            }
        };
        Self {
            stages,
            epochs,
            questions: tasks.iter().map(|task| asked(task, config).0).collect(),
            likelihoods: tasks.iter().map(|task| asked(task, config).1).collect(),
            general,
            suites: (0, 0),
            protocol,
            scoring: config.scoring.into(),
            batch: config.train.global_batch,
            steps,
        }
    }

    /// The same work with suites of general ability measured beside it.
    pub fn with_suites(mut self, suites: Option<&GeneralSuites>) -> Self {
        if let (Some(suites), Protocol::Sequential | Protocol::Joint) = (suites, self.protocol) {
            self.suites = (suites.rows_between(), suites.rows());
        }
        self
    }

    /// The whole work, in rows and questions.
    pub fn total(&self) -> usize {
        let all = 1..=self.questions.len();
        let stages = all
            .filter(|learned| self.protocol != Protocol::Joint || *learned == self.questions.len());
        let suites: usize = stages.map(|learned| self.suites_after(learned)).sum();
        self.trained() + self.answers() + suites
    }

    /// Rows of suites that are measured after some tasks.
    fn suites_after(&self, learned: usize) -> usize {
        match learned == self.questions.len() {
            true => self.suites.1,
            false => self.suites.0,
        }
    }

    /// Rows to train on, each counted once per epoch.
    pub fn trained(&self) -> usize {
        self.stages.iter().sum()
    }

    /// Optimizer steps.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Questions to answer, including the probe; one that is answered in two ways counts twice.
    pub fn answers(&self) -> usize {
        let probes = match self.protocol {
            Protocol::Independent => 1,
            _ => 2,
        };
        self.over_scores(&self.questions) + probes * self.general
    }

    /// The questions among them that are scored by the likelihood of labels.
    pub fn likelihoods(&self) -> usize {
        self.over_scores(&self.likelihoods)
    }

    /// Sum over all measured scores of a number of their tasks.
    fn over_scores(&self, of_task: &[usize]) -> usize {
        let count = of_task.len();
        let mut sum = 0;
        for learned in 0..=count {
            for (task, number) in of_task.iter().enumerate() {
                if self.scoring.measures(self.protocol, learned, task, count) {
                    sum += number;
                }
            }
        }
        sum
    }

    /// Number of stages: the tasks, or all of them at once.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Rows that a stage trains on, over all epochs.
    pub fn stage_rows(&self, stage: usize) -> usize {
        self.stages.get(stage).copied().unwrap_or(0)
    }

    /// Rows of the first `steps` steps of a stage. The count ignores that one step per epoch may be
    /// smaller, because the shuffle decides which one.
    pub fn rows_after(&self, stage: usize, steps: usize) -> usize {
        let rows = self.epochs.get(stage).copied().unwrap_or(0);
        let per_epoch = rows.div_ceil(self.batch).max(1);
        (steps / per_epoch) * rows + (steps % per_epoch) * self.batch
    }

    /// The work done after some stages, some rows of the next stage, some scores and some suites.
    pub fn done(
        &self,
        learned: usize,
        rows: usize,
        matrix: &ResultMatrix,
        general: bool,
        probed: &[Probed],
    ) -> usize {
        let trained: usize = self.stages.iter().take(learned).sum();
        let mut answered = if general { self.general } else { 0 };
        for row in 0..=self.questions.len() {
            let scored = matrix.row(row).iter().zip(&self.questions);
            answered += scored
                .filter(|(score, _)| score.is_some())
                .map(|(_, questions)| questions)
                .sum::<usize>();
        }
        let probed = probed.iter();
        let suites: usize = probed.map(|probed| self.suites_after(probed.learned)).sum();
        trained + rows + answered + suites
    }
}

/// The questions that a score of a task asks, and how many of them are scored by the likelihood of labels.
fn asked(task: &TaskSize, config: &RunConfig) -> (usize, usize) {
    let questions = task.questions;
    match (config.label_scores, task.labelled) {
        (LabelScores::None, _) | (_, false) => (questions, 0),
        (LabelScores::Beside, true) => (2 * questions, questions),
        (LabelScores::Instead, true) => (questions, questions),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "work_tests.rs"]
mod tests;
