//! The work of a run: rows to train on and questions to answer. The estimate before a run and its
//! progress count the same work.

use anyhow::Result;
use continual::trainer::step_count;
use continual::{LabelScores, Protocol, ResultMatrix, Scoring};

use crate::data::PreparedTasks;
use crate::settings::RunConfig;

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
    /// If there is no such method.
    pub fn new(config: &RunConfig, prepared: &PreparedTasks, method: &str) -> Result<Self> {
        let own: Vec<usize> = prepared.tasks.iter().map(|task| task.train.len()).collect();
        let kind = config.kind(method)?;
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
            protocol,
            scoring: config.scoring.into(),
            batch: config.train.global_batch,
            steps,
        }
    }

    /// The whole work, in rows and questions.
    pub fn total(&self) -> usize {
        self.trained() + self.answers()
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

    /// The work done after some stages, some rows of the next stage, and some scores.
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
mod tests {
    use benchmarks::{Benchmark, ClBenchmark, Suite};

    use super::*;
    use crate::registries::Registries;
    use crate::settings::Overrides;

    fn released_rows(task: &str) -> Option<(usize, usize)> {
        ClBenchmark.released_rows(task)
    }

    fn released(order: &str, preset: Option<&str>, pairs: &[&str]) -> Work {
        let set: Vec<String> = pairs.iter().map(ToString::to_string).collect();
        let overrides = Overrides {
            preset,
            set: &set,
            ..Overrides::default()
        };
        let config = RunConfig::resolve(&Registries::builtin(), "t5", true, &overrides).unwrap();
        let config = config.with_order(order).unwrap();
        let suite = Suite::cl_benchmark();
        let sizes: Vec<TaskSize> = suite
            .order(order)
            .unwrap()
            .into_iter()
            .map(|task| {
                let (train, questions) = released_rows(&task.name).unwrap();
                TaskSize {
                    train,
                    epochs: config.epochs_of(&task.name, task.epochs),
                    questions,
                    labelled: true,
                }
            })
            .collect();
        Work::of(&config, &sizes, 0, Protocol::Sequential)
    }

    #[test]
    fn work_counts_the_answers_of_the_long_order() {
        // Counted by hand: every task is scored before the first task, right before it is learned,
        // and after every task from then on. For the first task, the first two are the same.
        let work = released("6", None, &[]);
        let suite = Suite::cl_benchmark();
        let tasks = suite.order("6").unwrap();
        let rows = |task: &str| released_rows(task).unwrap().1;
        let by_hand: usize = tasks
            .iter()
            .enumerate()
            .map(|(place, task)| rows(&task.name) * (17 - place.max(1)))
            .sum();
        assert_eq!(work.answers(), by_hand);
        assert_eq!(work.answers(), 736_213);
        let final_only = released("6", None, &["scoring='final'"]);
        assert_eq!(final_only.answers(), 2 * 70_861 - rows("WiC"));
    }

    #[test]
    fn questions_that_are_answered_in_two_ways_count_twice() {
        let generated = released("6", None, &[]);
        assert_eq!(generated.likelihoods(), 0);
        let instead = released("6", None, &["label_scores='instead'"]);
        assert_eq!(instead.answers(), generated.answers());
        assert_eq!(instead.likelihoods(), generated.answers());
        let beside = released("6", None, &["label_scores='beside'"]);
        assert_eq!(beside.answers(), 2 * generated.answers());
        assert_eq!(beside.likelihoods(), generated.answers());
        // A task without labels is generated alone, and what is done counts as what is to do.
        let config = |scores: &str| {
            let set = [
                format!("label_scores='{scores}'"),
                "scoring='full'".to_string(),
            ];
            let overrides = Overrides {
                set: &set,
                ..Overrides::default()
            };
            RunConfig::resolve(&Registries::builtin(), "t5", true, &overrides).unwrap()
        };
        let size = |labelled| TaskSize {
            train: 0,
            epochs: 1,
            questions: 10,
            labelled,
        };
        let tasks = [size(true), size(false)];
        for (scores, answers, likelihoods) in
            [("none", 60, 0), ("beside", 90, 30), ("instead", 60, 30)]
        {
            let work = Work::of(&config(scores), &tasks, 0, Protocol::Sequential);
            assert_eq!((work.answers(), work.likelihoods()), (answers, likelihoods));
            let mut matrix = ResultMatrix::new(vec!["a".into(), "b".into()]);
            (0..3).for_each(|learned| (0..2).for_each(|task| matrix.set(learned, task, 1.0)));
            assert_eq!(work.done(2, 0, &matrix, false), work.total());
        }
    }

    #[test]
    fn epochs_override_the_epochs_of_single_tasks() {
        // The preset gives MNLI two epochs in order 6; the suite gives the other tasks one.
        let preset = Some("o-lora");
        let rows = |pairs: &[&str]| released("6", preset, pairs).trained();
        let all = rows(&["epochs=1"]);
        assert_eq!(rows(&[]), all + 3000);
        assert_eq!(rows(&["by_order.6.task_epochs.MNLI=1"]), all);
        assert_eq!(rows(&["epochs=3"]), 3 * all);
        // A step has 64 rows.
        let steps = released("6", preset, &["epochs=3"]).steps();
        let suite = Suite::cl_benchmark();
        let by_hand = suite.order("6").unwrap().into_iter();
        let by_hand = by_hand.map(|task| 3 * released_rows(&task.name).unwrap().0.div_ceil(64));
        assert_eq!(steps, by_hand.sum::<usize>());
    }
}
