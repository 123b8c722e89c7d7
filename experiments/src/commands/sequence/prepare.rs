//! From the rows of a suite to the tasks of a sequence.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use benchmarks::{Published, Row, Score, Suite, load_rows, load_task, published, repaired};
use burn::data::dataset::InMemDataset;
use continual::{ContinualError, EvaluationSet, Question, Scorer, Task};
use lm::TextTokenizer;

use super::lengths;
use crate::builtin;
use crate::config::{FlawsName, RunConfig};

/// Longest answer of the general-knowledge probe in tokens.
const GENERAL_NEW_TOKENS: usize = 12;

/// Which rows are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// While settings are being chosen.
    Validation,
    /// For what is reported.
    Test,
}

/// The tasks of a run, tokenized.
pub struct Prepared {
    /// Name of the suite.
    pub suite: String,
    /// The order, as it was asked for.
    pub order: String,
    /// What was done about flaws of the data, and what does not fit into the lengths of the run, in
    /// sentences.
    pub remarks: Vec<String>,
    /// Tasks in the order they are learned.
    pub tasks: Vec<Task>,
    /// The general-knowledge probe, if the suite has one.
    pub general: Option<EvaluationSet>,
}

/// A benchmark's score as the protocol asks for it.
struct BenchmarkScore(Score);

impl Scorer for BenchmarkScore {
    fn score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        self.0.task_score(prompts, answers, references)
    }
}

impl Prepared {
    /// As [`load`](Self::load), for every order of a configuration.
    pub fn load_orders(
        config: &RunConfig,
        tokenizer: &TextTokenizer,
        split: Split,
    ) -> Result<Vec<Self>> {
        let orders = config.orders();
        let load = |order: &String| Self::load(&config.with_order(order)?, tokenizer, split);
        orders.iter().map(load).collect()
    }

    /// Loads and tokenizes the suite of a configuration with one order.
    pub fn load(config: &RunConfig, tokenizer: &TextTokenizer, split: Split) -> Result<Self> {
        let path = match &config.data {
            Some(path) => path.clone(),
            None => builtin::suite(config.benchmark)?,
        };
        let suite = Suite::open(&path)?;
        let limit = |rows: usize| if rows > 0 { rows } else { usize::MAX };
        let (mut tasks, mut remarks) = (Vec::new(), Vec::new());
        for spec in suite.order(&config.order)? {
            let mut rows = load_task(&path, spec)?;
            if config.flaws == FlawsName::Repair {
                // Before the limits: a row that is cut off is a row that was seen by whoever cut.
                let (fixed, changes) = repaired(rows);
                let named = changes
                    .iter()
                    .map(|change| format!("{}: {change}", spec.name));
                remarks.extend(named);
                rows = fixed;
            }
            if !rows.labels.is_empty() {
                limit_per_answer(&mut rows.train, limit(config.limit_per_class));
            }
            rows.train.truncate(limit(config.limit_train));
            rows.validation.truncate(limit(config.limit_test));
            rows.test.truncate(limit(config.limit_test));
            let scored = match split {
                Split::Validation => &rows.validation,
                Split::Test => &rows.test,
            };
            for (rows, what) in [(&rows.train, "training"), (scored, "evaluation")] {
                if rows.is_empty() {
                    let task = spec.name.clone();
                    return Err(ContinualError::NoRows { task, what }.into());
                }
            }
            let cut = lengths::remarks(&rows, spec.max_new_tokens, config.max_length, tokenizer)?;
            remarks.extend(cut.iter().map(|cut| format!("{}: {cut}", spec.name)));
            let examples = |rows: &[Row], what: &str| {
                rows.iter()
                    .map(|row| tokenizer.example(&row.prompt, &row.answer, config.max_length))
                    .collect::<Result<Vec<_>, _>>()
                    .map(|examples| Arc::new(InMemDataset::new(examples)))
                    .with_context(|| format!("{what} rows of {}", spec.name))
            };
            let watched = config.train.validation.every_epochs > 0;
            let validation = match (watched, rows.validation.is_empty()) {
                (false, _) => None,
                (true, false) => Some(examples(&rows.validation, "validation")? as _),
                (true, true) => bail!(
                    "{} has no validation rows to measure a loss on: its eval.json holds test or \
                     training rows alone",
                    spec.name
                ),
            };
            tasks.push(Task {
                name: spec.name.clone(),
                train: examples(&rows.train, "training")?,
                validation,
                evaluation: evaluation(
                    scored,
                    spec.score,
                    spec.max_new_tokens,
                    config.max_length,
                    tokenizer,
                )?,
                epochs: match (config.epochs, config.task_epochs.get(&spec.name)) {
                    (0, Some(&epochs)) => epochs,
                    (0, None) => spec.epochs,
                    (epochs, _) => epochs,
                },
            });
        }
        // A preset of the CL benchmark sets the epochs of one of its tasks in one order, and is of use on
        // a miniature without it; TRACE's presets are nothing but such epochs.
        let public = Suite::cl_benchmark();
        let all = suite.tasks.iter().chain(&public.tasks);
        let known: Vec<&str> = all.map(|task| task.name.as_str()).collect();
        let is_known = |name: &str| known.contains(&name);
        if let Some(name) = config.task_epochs.keys().find(|name| !is_known(name)) {
            let known: Vec<&str> = suite.tasks.iter().map(|task| task.name.as_str()).collect();
            bail!(
                "task_epochs names {name:?}, which is no task of {}; its tasks are {}",
                suite.name,
                known.join(", ")
            );
        }
        let general = match &suite.general {
            Some(file) => {
                let rows = load_rows(&path.join(file))?;
                let max_new_tokens = GENERAL_NEW_TOKENS;
                let score = Score::Accuracy;
                let set = evaluation(&rows, score, max_new_tokens, config.max_length, tokenizer)?;
                Some(set)
            }
            None => None,
        };
        Ok(Self {
            order: config.order.clone(),
            suite: suite.name,
            remarks,
            tasks,
            general,
        })
    }

    /// What was published on the suite for these orders.
    pub fn published(&self, orders: &[Self]) -> Option<Published> {
        let names: Vec<&str> = orders.iter().map(|order| order.order.as_str()).collect();
        published(&self.suite, &names)
    }

    /// A name that is different for every order, where there are several.
    pub fn among(&self, orders: &[Self], name: &str) -> String {
        match orders.len() {
            1 => name.to_string(),
            _ => format!("order {} {name}", self.order),
        }
    }

    /// Title of the run, with its scale.
    pub fn title(&self, config: &RunConfig) -> String {
        let model = match &config.model {
            Some(path) => path.file_name().map_or_else(
                || "model".into(),
                |name| name.to_string_lossy().into_owned(),
            ),
            None => "built-in model".to_string(),
        };
        let largest = |count: fn(&Task) -> usize| self.tasks.iter().map(count).max().unwrap_or(0);
        format!(
            "{} on {model}: {} tasks, at most {} training and {} test rows per task, {} tokens \
             per row, {} seed{}",
            self.suite,
            self.tasks.len(),
            largest(|task| task.train.len()),
            largest(|task| task.evaluation.questions.len()),
            config.max_length,
            config.seeds.len(),
            if config.seeds.len() == 1 { "" } else { "s" },
        )
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

fn evaluation(
    rows: &[Row],
    score: Score,
    max_new_tokens: usize,
    max_length: usize,
    tokenizer: &TextTokenizer,
) -> Result<EvaluationSet> {
    // At least half of the limit is left to the prompt.
    let max_new_tokens = max_new_tokens.min(max_length / 2);
    let questions = rows.iter().map(|row| {
        Ok(Question {
            tokens: tokenizer.prompt(&row.prompt, max_length, max_new_tokens)?,
            prompt: row.prompt.clone(),
            reference: row.answer.clone(),
        })
    });
    Ok(EvaluationSet {
        questions: questions.collect::<Result<_>>()?,
        scorer: Arc::new(BenchmarkScore(score)),
        max_new_tokens,
    })
}
