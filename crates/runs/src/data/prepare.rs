//! Turns the rows of a suite into the tasks of a sequence.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use benchmarks::{Published, Score, Suite, TaskSpec};
use continual::method::OptimizerName;
use continual::{EvaluationSet, LabelScores, Task, rows_fingerprint};
use lm::TextTokenizer;
use report::hash::sha256;

use super::builtin;
use super::labels;
use super::load_task::TaskLoader;
use super::probe;
use crate::progress::Progress;
use crate::settings::RunConfig;

/// The split whose rows are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoredRows {
    /// Validation rows, while settings are chosen.
    Validation,
    /// Test rows, for reported scores.
    Test,
}

impl ScoredRows {
    /// The split in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The tasks of a run, tokenized.
pub struct PreparedTasks {
    /// Name of the suite.
    pub suite: String,
    /// The order as it was given.
    pub order: String,
    /// Remarks on repaired flaws of the data and on rows that exceed the length limits, in
    /// sentences.
    pub remarks: Vec<String>,
    /// Tasks in the order in which they are learned.
    pub tasks: Vec<Task>,
    /// The general-knowledge probe, if the suite has one.
    pub general: Option<EvaluationSet>,
    /// The split whose rows are scored.
    pub scored: ScoredRows,
    /// The score of every task.
    scores: Vec<Score>,
    /// What the list of labels of every task says beside its rows.
    labels: Vec<Vec<String>>,
}

/// Hashes of the rows of a run.
pub struct RowHashes {
    /// Hash of all tasks in their order and of the probe.
    pub all: String,
    /// Hash of every task.
    pub tasks: BTreeMap<String, String>,
    /// Hash of the probe; empty if there is none.
    pub general: String,
}

impl PreparedTasks {
    /// Loads every order of a configuration, as [`load`](Self::load) does.
    pub fn load_orders(
        config: &RunConfig,
        tokenizer: &TextTokenizer,
        scored: ScoredRows,
    ) -> Result<Vec<Self>> {
        let orders = config.orders();
        let load = |order: &String| Self::load(&config.with_order(order)?, tokenizer, scored);
        orders.iter().map(load).collect()
    }

    /// Loads and tokenizes the suite of a configuration in one order.
    ///
    /// # Errors
    ///
    /// If the suite cannot be read, lacks rows or is inconsistent with the settings.
    pub fn load(config: &RunConfig, tokenizer: &TextTokenizer, scored: ScoredRows) -> Result<Self> {
        ensure!(
            config.rows.is_none(),
            "rows is a setting of `osft finetune`; {} takes its rows from a suite: remove it",
            config.benchmark
        );
        let (path, suite) = suite_of(config)?;
        check_task_epochs(config, &suite)?;
        let loader = TaskLoader {
            config,
            tokenizer,
            scored,
            folder: &path,
        };
        let specs = suite.order(&config.order)?;
        check_suite(&suite, &specs, &config.order)?;
        let progress = Progress::new(specs.len() as u64);
        let (mut tasks, mut labels, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
        for spec in &specs {
            let loaded = loader.load(spec)?;
            let said = loaded.remarks.iter();
            remarks.extend(said.map(|line| format!("{}: {line}", spec.name)));
            tasks.push(loaded.task);
            labels.push(loaded.labels);
            progress.advance(1, &format!("reading {}", spec.name));
        }
        progress.finish();
        labels::check_any(config, &tasks)?;
        let general = match &suite.general {
            Some(file) => {
                let (set, said) = probe::general(&path.join(file), config, tokenizer)?;
                remarks.extend(said);
                Some(set)
            }
            None => None,
        };
        Ok(Self {
            order: config.order.clone(),
            scores: specs.iter().map(|spec| spec.score.clone()).collect(),
            suite: suite.name,
            remarks,
            tasks,
            labels,
            general,
            scored,
        })
    }

    /// Tasks of one's own, which no suite describes and which are not scored.
    pub fn unscored(tasks: Vec<Task>, remarks: Vec<String>) -> Self {
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        let order = names.join(",");
        Self {
            suite: "own rows".to_string(),
            scores: vec![Score::exact_match(); tasks.len()],
            labels: vec![Vec::new(); tasks.len()],
            order,
            remarks,
            tasks,
            general: None,
            scored: ScoredRows::Test,
        }
    }

    /// Hashes everything that a run reads, and how it is scored: all of it in its order, every task
    /// alone, and the probe.
    ///
    /// # Errors
    ///
    /// If a row cannot be read.
    pub fn rows(&self) -> Result<RowHashes> {
        let mut tasks = BTreeMap::new();
        let mut all = String::new();
        for ((task, score), labels) in self.tasks.iter().zip(&self.scores).zip(&self.labels) {
            let rows = rows_fingerprint(std::slice::from_ref(task), None)?;
            let mut text = format!("{rows} {}", serde_json::to_string(score)?);
            if !labels.is_empty() {
                text.push_str(&serde_json::to_string(labels)?);
            }
            let hash = sha256(text.as_bytes());
            all.push_str(&hash);
            tasks.insert(task.name.clone(), hash);
        }
        let general = match &self.general {
            Some(set) => rows_fingerprint(&[], Some(set))?,
            None => String::new(),
        };
        all.push_str(&general);
        Ok(RowHashes {
            all: sha256(all.as_bytes()),
            tasks,
            general,
        })
    }

    /// The published scores on the suite for these orders.
    ///
    /// # Errors
    ///
    /// If the benchmark's published scores cannot be read.
    pub fn published(&self, config: &RunConfig, orders: &[Self]) -> Result<Option<Published>> {
        let names: Vec<&str> = orders.iter().map(|order| order.order.as_str()).collect();
        Ok(config
            .registries
            .benchmarks
            .published(&self.suite, &names)?)
    }

    /// The split whose rows are scored, in words; empty if no task has questions.
    pub fn scored_split(&self) -> &'static str {
        let asks = |task: &Task| !task.evaluation.questions.is_empty();
        match self.tasks.iter().any(asks) {
            true => self.scored.name(),
            false => "",
        }
    }

    /// A name that distinguishes the orders, if there are several.
    pub fn among(&self, orders: &[Self], name: &str) -> String {
        match orders.len() {
            1 => name.to_string(),
            _ => format!("order {} {name}", self.order),
        }
    }

    /// The title of the run, with its scale.
    pub fn title(&self, config: &RunConfig) -> String {
        let model = match &config.model {
            Some(path) => path.file_name().map_or_else(
                || "model".into(),
                |name| name.to_string_lossy().into_owned(),
            ),
            None => "built-in model".to_string(),
        };
        let optimizer = match config.train.optimizer {
            OptimizerName::Adamw => String::new(),
            other => format!(", optimizer {}", other.name()),
        };
        if let ([task], true) = (self.tasks.as_slice(), config.rows.is_some()) {
            return format!(
                "{} on {model}: {} training rows of at most {} tokens, {} epochs{optimizer}",
                task.name,
                task.train.len(),
                config.max_length,
                task.epochs
            );
        }
        let largest = |count: fn(&Task) -> usize| self.tasks.iter().map(count).max().unwrap_or(0);
        format!(
            "{} on {model}: {} tasks, at most {} training and {} {} rows per task, {} tokens \
             per row, {} seed{}",
            self.suite,
            self.tasks.len(),
            largest(|task| task.train.len()),
            largest(|task| task.evaluation.questions.len()),
            self.scored.name(),
            config.max_length,
            config.seeds.len(),
            if config.seeds.len() == 1 { "" } else { "s" },
        ) + &optimizer
            + match config.label_scores {
                LabelScores::Instead => ", labels scored by their likelihood",
                LabelScores::None | LabelScores::Beside => "",
            }
    }
}

/// The name of the task that the one order of a configuration begins with; reads no row.
///
/// # Errors
///
/// If there is no such suite or order.
pub fn first_task(config: &RunConfig) -> Result<String> {
    let (_, suite) = suite_of(config)?;
    let order = suite.order(&config.order)?;
    let first = order
        .first()
        .with_context(|| no_task(&suite, &config.order))?;
    Ok(first.name.clone())
}

/// The suite of a configuration, and its folder.
fn suite_of(config: &RunConfig) -> Result<(PathBuf, Suite)> {
    let path = match &config.data {
        Some(path) => path.clone(),
        None => builtin::suite(&config.registries, &config.benchmark)?,
    };
    let suite = config.registries.benchmarks.open(&path)?;
    Ok((path, suite))
}

fn no_task(suite: &Suite, order: &str) -> String {
    format!("order {order} of {} names no task", suite.name)
}

/// Checks the task names in `task_epochs`. An order's own settings may name any task of the
/// benchmark, because a preset of the CL benchmark sets the epochs of a task that a miniature may
/// lack. Any other name that is not a task of the suite is an error.
fn check_task_epochs(config: &RunConfig, suite: &Suite) -> Result<()> {
    let of_order = config.by_order.get(&config.order);
    let of_order = of_order.and_then(|changes| changes.get("task_epochs")?.as_table());
    let benchmark = config.registries.benchmarks.find(&config.benchmark);
    let public = benchmark.map_or(Vec::new(), |benchmark| benchmark.suite().tasks);
    let is_task = |tasks: &[TaskSpec], name: &str| tasks.iter().any(|task| task.name == name);
    let is_known = |name: &str| {
        is_task(&suite.tasks, name)
            || is_task(&public, name) && of_order.is_some_and(|epochs| epochs.contains_key(name))
    };
    if let Some(name) = config.task_epochs.keys().find(|name| !is_known(name)) {
        let task_names: Vec<&str> = suite.tasks.iter().map(|task| task.name.as_str()).collect();
        bail!(
            "task_epochs names {name:?}, which is no task of {}; its tasks are {}",
            suite.name,
            task_names.join(", ")
        );
    }
    Ok(())
}

/// Refuses a suite without tasks or with two tasks of the same name.
fn check_suite(suite: &Suite, specs: &[&TaskSpec], order: &str) -> Result<()> {
    ensure!(!specs.is_empty(), no_task(suite, order));
    for (index, task) in suite.tasks.iter().enumerate() {
        ensure!(
            suite.tasks[..index]
                .iter()
                .all(|other| other.name != task.name),
            "{} has two tasks that are called {:?}",
            suite.name,
            task.name
        );
    }
    for spec in specs {
        ensure!(
            spec.max_new_tokens > 0,
            "task {:?} of {}: max_new_tokens is 0, so that nothing could be answered",
            spec.name,
            suite.name
        );
    }
    Ok(())
}
