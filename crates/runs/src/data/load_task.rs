//! Loads one task of a run: reads, repairs, limits and checks its rows.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use benchmarks::{Format, Row, TaskRows, TaskSpec, load_task, repaired};
use burn::data::dataset::Dataset;
use continual::{EvaluationSet, Task};
use lm::{Example, TextTokenizer};

use super::labels;
use super::lengths::answer_limit;
use super::limits::{LimitedRows, SplitRows};
use super::prepare::ScoredRows;
use super::rows::{BadRow, TokenizedRows, check_examples, questions};
use super::score::BenchmarkScore;
use crate::settings::{FlawsName, RunConfig};

/// Loads the tasks of one order.
pub struct TaskLoader<'a> {
    /// Settings of the run.
    pub config: &'a RunConfig,
    /// Tokens of the model.
    pub tokenizer: &'a TextTokenizer,
    /// Which rows are scored.
    pub scored: ScoredRows,
    /// The suite's folder.
    pub folder: &'a Path,
}

const TRAIN: usize = 0;
const VALIDATION: usize = 1;
const TEST: usize = 2;

const SPLITS: [&str; 3] = ["training", "validation", "test"];

/// A task, and what is known of its rows.
pub struct LoadedTask {
    /// The task.
    pub task: Task,
    /// Remarks about its rows, in sentences.
    pub remarks: Vec<String>,
    /// What its list of labels says beside its rows; a run is known by it too.
    pub labels: Vec<String>,
}

impl TaskLoader<'_> {
    /// Loads a task.
    ///
    /// # Errors
    ///
    /// If rows cannot be read or used (the message names file or task and row), or if no rows are
    /// left to train on or to score.
    pub fn load(&self, spec: &TaskSpec) -> Result<LoadedTask> {
        let epochs = self.config.epochs_of(&spec.name, spec.epochs);
        ensure!(
            epochs > 0,
            "task {:?} has 0 epochs, so that nothing would be learned",
            spec.name
        );
        let (rows, mut remarks) = self.rows(spec)?;
        let splits = [&rows.train, &rows.validation, &rows.test];
        let (max_length, tokenizer) = (self.config.max_length, self.tokenizer);
        let (limit, lowered) = answer_limit(spec.max_new_tokens, max_length, tokenizer.framing());
        remarks.extend(lowered);
        let scored_split = match self.scored {
            ScoredRows::Validation => VALIDATION,
            ScoredRows::Test => TEST,
        };
        // If only the first character is scored, a longer answer need not be generated.
        let complete = spec.score.reads_whole_answer();
        let (mut learned, mut scored) = ([None, None], None);
        for split in [TRAIN, VALIDATION] {
            let (kind, rows) = (SPLITS[split], splits[split]);
            let is_read = split == TRAIN || self.is_watched();
            match check_examples(rows.as_ref(), max_length, tokenizer) {
                Ok(cut) => {
                    remarks.extend(cut.sentence(kind, max_length));
                    learned[split] = is_read.then(|| self.tokenized(rows));
                }
                Err(bad) => remarks.push(self.bad_row(spec, split, rows, &bad, is_read)?),
            }
        }
        for split in [VALIDATION, TEST] {
            let (kind, rows) = (SPLITS[split], splits[split]);
            // Validation rows that are not scored are examples to learn from, and were counted as
            // such.
            if split == VALIDATION && split != scored_split {
                continue;
            }
            match questions(rows.as_ref(), max_length, limit, tokenizer) {
                Ok((questions, cut)) => {
                    remarks.extend(cut.sentences(kind, max_length, limit, complete));
                    if split == scored_split {
                        scored = Some(questions);
                    }
                }
                Err(bad) => {
                    let is_read = split == scored_split;
                    remarks.push(self.bad_row(spec, split, rows, &bad, is_read)?);
                }
            }
        }
        let [Some(train), validation] = learned else {
            bail!("task {:?} has no training rows", spec.name);
        };
        let Some(scored) = scored else {
            bail!("task {:?} has no rows to be scored on", spec.name);
        };
        let labels = labels::spelled(&rows.labels, rows.train.as_ref())?;
        let scores = self.config.label_scores;
        remarks.extend(labels::remarks(&labels, scores, limit, tokenizer)?);
        let read = [rows.train.as_ref() as _, splits[scored_split].as_ref() as _];
        Ok(LoadedTask {
            labels: match spec.format {
                // Every prompt lists them.
                Format::Labelled {
                    ref instruction, ..
                } if !instruction.is_empty() => Vec::new(),
                _ => labels::beside_rows(&labels, read)?,
            },
            remarks,
            task: Task {
                name: spec.name.clone(),
                train,
                validation,
                evaluation: EvaluationSet {
                    questions: scored,
                    scorer: Arc::new(BenchmarkScore {
                        score: spec.score.clone(),
                        labels,
                    }),
                    max_new_tokens: limit,
                },
                epochs,
            },
        })
    }

    /// Rows to learn from, tokenized where they are read.
    fn tokenized(&self, rows: &SplitRows) -> Arc<dyn Dataset<Example>> {
        Arc::new(TokenizedRows {
            rows: rows.clone(),
            tokenizer: self.tokenizer.clone(),
            max_length: self.config.max_length,
        })
    }

    /// Whether training measures the validation loss.
    fn is_watched(&self) -> bool {
        self.config.train.validation.every_epochs > 0
    }

    /// Reads, repairs and limits the rows; also returns remarks about the repair.
    fn rows(&self, spec: &TaskSpec) -> Result<(LimitedRows, Vec<String>)> {
        let config = self.config;
        let mut rows = load_task(self.folder, spec)?;
        let mut changes = Vec::new();
        match config.flaws {
            // Repair before limiting: a duplicate beyond the limit still counts as seen.
            FlawsName::Repair => (rows, changes) = repaired(rows),
            FlawsName::Keep => self.check_choosing(spec, &rows)?,
        }
        let rows = LimitedRows::new(rows, config);
        let mut needed = vec![("training", &rows.train)];
        needed.push(match self.scored {
            ScoredRows::Validation => ("validation", &rows.validation),
            ScoredRows::Test => ("test", &rows.test),
        });
        if self.is_watched() {
            needed.push(("validation", &rows.validation));
        }
        for (what, rows) in needed {
            if rows.is_empty() {
                // The changes explain why no rows are left.
                let why = match changes.is_empty() {
                    true => String::new(),
                    false => format!(
                        ": {}; --set 'flaws=\"keep\"' takes the rows as they are",
                        changes.join("; ")
                    ),
                };
                bail!("task {:?} has no {what} rows{why}", spec.name);
            }
        }
        Ok((rows, changes))
    }

    /// Refuses to choose settings by validation rows that also occur in the test split.
    fn check_choosing(&self, spec: &TaskSpec, rows: &TaskRows) -> Result<()> {
        if self.scored == ScoredRows::Test && !self.config.train.validation.decides() {
            return Ok(());
        }
        let test: HashSet<&str> = rows.test.iter().map(|row| row.prompt.as_str()).collect();
        let validation = rows.validation.iter();
        let shared = validation.filter(|row| test.contains(row.prompt.as_str()));
        let shared = shared.count();
        ensure!(
            shared == 0,
            "{}: {shared} of {} validation rows have the prompt of a test row, and flaws = \"keep\" \
             leaves them in: what is chosen by them is chosen by the test; --set 'flaws=\"repair\"' \
             leaves them out",
            spec.name,
            rows.validation.len()
        );
        Ok(())
    }

    /// A remark on a bad row by its position in its file, because repairing and limiting shift
    /// positions.
    ///
    /// # Errors
    ///
    /// The same text as an error, if the run reads the row.
    fn bad_row(
        &self,
        spec: &TaskSpec,
        split: usize,
        rows: &SplitRows,
        bad: &BadRow,
        is_read: bool,
    ) -> Result<String> {
        let kind = SPLITS[split];
        let of_split = |rows: TaskRows| {
            [rows.train, rows.validation, rows.test]
                .into_iter()
                .nth(split)
        };
        let all_rows: Vec<Row> = load_task(self.folder, spec)
            .ok()
            .and_then(of_split)
            .unwrap_or_default();
        let bad_row = rows.get(bad.index).ok();
        let position = all_rows
            .iter()
            .position(|row| Some(row) == bad_row.as_ref());
        let position = position.map_or(String::new(), |position| format!(" {position} (from 0)"));
        ensure!(
            !is_read,
            "task {}, {kind} row{position}: {}",
            spec.name,
            bad.reason
        );
        Ok(format!(
            "{kind} row{position}: {}; this run does not read it",
            bad.reason
        ))
    }
}
