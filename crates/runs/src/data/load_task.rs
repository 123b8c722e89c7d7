//! One task of a run: its rows read, repaired, limited and tokenized.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use benchmarks::{Row, TaskRows, TaskSpec, load_task, repaired};
use burn::data::dataset::InMemDataset;
use continual::{EvaluationSet, Task};
use lm::TextTokenizer;

use super::lengths::answer_limit;
use super::prepare::{BenchmarkScore, ScoredRows};
use super::rows::{BadRow, examples, questions};
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

/// Rows of a task by what they are for.
type PickRows = fn(&TaskRows) -> &Vec<Row>;

const TRAIN: usize = 0;
const VALIDATION: usize = 1;
const TEST: usize = 2;

const SPLITS: [(&str, PickRows); 3] = [
    ("training", |rows| &rows.train),
    ("validation", |rows| &rows.validation),
    ("test", |rows| &rows.test),
];

impl TaskLoader<'_> {
    /// A task, and what a person should know of its rows, in sentences.
    ///
    /// # Errors
    ///
    /// Rows that cannot be read or used, each with file or task and row; no rows to learn from or to
    /// be scored on.
    pub fn load(&self, spec: &TaskSpec) -> Result<(Task, Vec<String>)> {
        let epochs = self.config.epochs_of(&spec.name, spec.epochs);
        ensure!(
            epochs > 0,
            "task {:?} has 0 epochs, so that nothing would be learned",
            spec.name
        );
        let (rows, mut said) = self.rows(spec)?;
        let (max_length, tokenizer) = (self.config.max_length, self.tokenizer);
        let (limit, lowered) = answer_limit(spec.max_new_tokens, max_length, tokenizer.framing());
        said.extend(lowered);
        let scored_split = match self.scored {
            ScoredRows::Validation => VALIDATION,
            ScoredRows::Test => TEST,
        };
        // One character is scored: the rest of an answer is not waited for.
        let complete = spec.score.reads_whole_answer();
        let (mut learned, mut scored) = ([None, None], None);
        for split in [TRAIN, VALIDATION] {
            let (kind, pick) = SPLITS[split];
            let is_read = split == TRAIN || self.is_watched();
            match examples(pick(&rows), max_length, tokenizer) {
                Ok((examples, cut)) => {
                    said.extend(cut.sentence(kind, max_length));
                    learned[split] = is_read.then_some(examples);
                }
                Err(bad) => said.push(self.bad_row(spec, split, pick(&rows), &bad, is_read)?),
            }
        }
        for split in [VALIDATION, TEST] {
            let (kind, pick) = SPLITS[split];
            // Validation rows that are not answered were counted as rows to learn from.
            if split == VALIDATION && split != scored_split {
                continue;
            }
            match questions(pick(&rows), max_length, limit, tokenizer) {
                Ok((questions, cut)) => {
                    said.extend(cut.sentences(kind, max_length, limit, complete));
                    if split == scored_split {
                        scored = Some(questions);
                    }
                }
                Err(bad) => {
                    said.push(self.bad_row(
                        spec,
                        split,
                        pick(&rows),
                        &bad,
                        split == scored_split,
                    )?);
                }
            }
        }
        let [Some(train), validation] = learned else {
            bail!("task {:?} has no training rows", spec.name);
        };
        let Some(scored) = scored else {
            bail!("task {:?} has no rows to be scored on", spec.name);
        };
        said.extend(self.unanswerable_labels(&rows.labels, limit)?);
        Ok((
            Task {
                name: spec.name.clone(),
                train: Arc::new(InMemDataset::new(train)),
                validation: validation.map(|rows| Arc::new(InMemDataset::new(rows)) as _),
                evaluation: EvaluationSet {
                    questions: scored,
                    scorer: Arc::new(BenchmarkScore(spec.score.clone())),
                    max_new_tokens: limit,
                },
                epochs,
            },
            said,
        ))
    }

    /// Whether the loss on validation rows is measured while a task is learned.
    fn is_watched(&self) -> bool {
        self.config.train.validation.every_epochs > 0
    }

    /// The rows, repaired and limited, with what was repaired.
    fn rows(&self, spec: &TaskSpec) -> Result<(TaskRows, Vec<String>)> {
        let config = self.config;
        let mut rows = load_task(self.folder, spec)?;
        let mut changes = Vec::new();
        match config.flaws {
            // Before the limits: a row that is cut off is a row that was seen by whoever cut.
            FlawsName::Repair => (rows, changes) = repaired(rows),
            FlawsName::Keep => self.check_choosing(spec, &rows)?,
        }
        let limit = |rows: usize| if rows > 0 { rows } else { usize::MAX };
        if !rows.labels.is_empty() {
            limit_per_answer(&mut rows.train, limit(config.limit_per_class));
        }
        rows.train.truncate(limit(config.limit_train));
        rows.validation.truncate(limit(config.limit_test));
        rows.test.truncate(limit(config.limit_test));
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
                // All that was done is why.
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

    /// Choosing by rows that are test rows too would be choosing by the test.
    fn check_choosing(&self, spec: &TaskSpec, rows: &TaskRows) -> Result<()> {
        if self.scored == ScoredRows::Test && !self.is_watched() {
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

    /// Labels that are longer than what is generated.
    fn unanswerable_labels(&self, labels: &[String], limit: usize) -> Result<Vec<String>> {
        let mut said = Vec::new();
        for label in labels {
            let tokens = self.tokenizer.encode(label, false)?.len();
            if tokens > limit {
                said.push(format!(
                    "label {label:?} has {tokens} tokens, {limit} are generated: it cannot be answered"
                ));
            }
        }
        Ok(said)
    }

    /// What is said of a bad row, by its place in its file: repairing and limiting have moved it.
    ///
    /// # Errors
    ///
    /// The same as an error, where the row is one that the run reads.
    fn bad_row(
        &self,
        spec: &TaskSpec,
        split: usize,
        rows: &[Row],
        bad: &BadRow,
        is_read: bool,
    ) -> Result<String> {
        let (kind, pick) = SPLITS[split];
        let whole = load_task(self.folder, spec);
        let place = whole.ok().and_then(|whole| {
            let mut all = pick(&whole).iter();
            all.position(|row| *row == rows[bad.index])
        });
        let place = place.map_or(String::new(), |place| format!(" {place} (from 0)"));
        ensure!(
            !is_read,
            "task {}, {kind} row{place}: {}",
            spec.name,
            bad.reason
        );
        Ok(format!(
            "{kind} row{place}: {}; this run does not read it",
            bad.reason
        ))
    }
}

/// Keeps the first rows of every answer.
fn limit_per_answer(rows: &mut Vec<Row>, limit: usize) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    rows.retain(|row| {
        let count = counts.entry(row.answer.clone()).or_default();
        *count += 1;
        *count <= limit
    });
}
