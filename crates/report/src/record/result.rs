//! The results of one method with one seed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use continual::{Figure, Protocol, ResultMatrix, SequenceOutcome, TaskDiagnostics};
use serde::{Deserialize, Serialize};

use super::{Identity, REVISION, RunFolder, checked, earlier};

/// `result-METHOD-KEY-seedN.json`: everything that a report shows about one method with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The method and its variant, as reports show it.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// The order of the tasks as it was given; empty if not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    /// The split whose rows were scored, `validation` or `test`; empty if not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scored: String,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the method went through the tasks.
    #[serde(default)]
    pub protocol: Protocol,
    /// Tasks in the order in which they were learned.
    pub tasks: Vec<String>,
    /// `R[i][j]` of [`ResultMatrix`]; row 0 is the base model's.
    pub scores: Vec<Vec<Option<f64>>>,
    /// The scores of [`scores`](Self::scores) by the likelihood of labels instead of generated answers, for the tasks that
    /// have labels; empty if they were not measured beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_scores: Vec<Vec<Option<f64>>>,
    /// The tasks whose scores in [`scores`](Self::scores) are themselves by the likelihood of labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_likelihood: Vec<String>,
    /// The score of every answer after the last task, task by task; empty if not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub row_scores: Vec<Vec<f64>>,
    /// Share of the answers after the last task that are among those the task allows, in percent, task by
    /// task; `None` for a task without such a list, or whose answers are chosen from it. Empty if not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_format: Vec<Option<f64>>,
    /// Bytes that the method carried to the next task, after every task; empty if not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried_bytes: Vec<u64>,
    /// Scores of the general-knowledge probe before and after the run, if there is a probe.
    pub general: Option<(f64, f64)>,
    /// Number of scalars that training could change independently; the largest over the tasks.
    pub trainable_parameters: usize,
    /// The method's figures of the whole run.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Training time over all tasks in seconds, without the next two fields. If these are absent,
    /// an earlier version measured the time: it included the split but not the method's work at the
    /// end of a task.
    pub training_seconds: f64,
    /// Time to decompose weights or to choose the split, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seconds: Option<f64>,
    /// Time to run the model over rows that stand for what is to be retained, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_seconds: Option<f64>,
    /// Time from the start of the run to its end, in seconds; `None` if not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_seconds: Option<f64>,
    /// Whether the learning rate was tuned; `None` if not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<bool>,
    /// Revision of the program that completed the run; `None` if not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The identity of the result; `None` if not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Title of its run, if results of several runs were read.
    #[serde(skip)]
    pub scale: String,
    /// The folder that it was read from.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl RunResult {
    /// The result of a completed sequence.
    pub fn new<M>(method: &str, seed: u64, learning_rate: f64, run: &SequenceOutcome<M>) -> Self {
        let tasks = run.matrix.tasks().to_vec();
        let label_scores = run
            .label_matrix
            .as_ref()
            .map(|matrix| matrix.rows().to_vec());
        let answers = run.answers.iter();
        let row_scores: Option<Vec<Vec<f64>>> = answers
            .map(|rows| Some(rows.as_ref()?.scores.clone()))
            .collect();
        let in_format = match row_scores {
            Some(_) => run
                .answers
                .iter()
                .flatten()
                .map(|rows| rows.in_format)
                .collect(),
            None => Vec::new(),
        };
        let carried_bytes = run.diagnostics.iter().map(|task| task.carried_bytes);
        let carried_bytes: Option<Vec<u64>> = carried_bytes.collect();
        Self {
            method: method.to_string(),
            seed,
            order: String::new(),
            scored: String::new(),
            learning_rate,
            protocol: run.protocol,
            scores: run.matrix.rows().to_vec(),
            label_scores: label_scores.unwrap_or_default(),
            by_likelihood: run.by_likelihood.clone(),
            tasks,
            row_scores: row_scores.unwrap_or_default(),
            in_format,
            carried_bytes: carried_bytes.unwrap_or_default(),
            general: run.general,
            trainable_parameters: run
                .diagnostics
                .iter()
                .map(|d| d.trainable_parameters)
                .max()
                .unwrap_or(0),
            figures: TaskDiagnostics::combined(&run.diagnostics),
            training_seconds: run.seconds.training,
            split_seconds: Some(run.seconds.split),
            calibration_seconds: Some(run.seconds.calibration),
            wall_seconds: None,
            tuned: None,
            revision: Some(REVISION.to_string()),
            identity: None,
            scale: String::new(),
            folder: PathBuf::new(),
        }
    }

    /// Converts the scores to a result matrix.
    ///
    /// # Errors
    ///
    /// If there are not `T + 1` rows of `T` scores.
    pub fn matrix(&self) -> Result<ResultMatrix> {
        self.matrix_of(&self.scores)
    }

    /// Converts the scores by the likelihood of labels to a result matrix; `None` if they were not measured beside those
    /// of generated answers.
    ///
    /// # Errors
    ///
    /// If there are not `T + 1` rows of `T` scores.
    pub fn label_matrix(&self) -> Result<Option<ResultMatrix>> {
        match self.label_scores.as_slice() {
            [] => Ok(None),
            scores => self.matrix_of(scores).map(Some),
        }
    }

    fn matrix_of(&self, scores: &[Vec<Option<f64>>]) -> Result<ResultMatrix> {
        let count = self.tasks.len();
        ensure!(
            scores.len() == count + 1 && scores.iter().all(|row| row.len() == count),
            "the result of {} with seed {} does not hold {} rows of {count} scores",
            self.method,
            self.seed,
            count + 1
        );
        let mut matrix = ResultMatrix::new(self.tasks.clone());
        for (learned, row) in scores.iter().enumerate() {
            for (task, score) in row.iter().enumerate() {
                if let Some(score) = score {
                    matrix.set(learned, task, *score);
                }
            }
        }
        Ok(matrix)
    }

    /// Reads the result of a run; `None` if the run is not complete.
    ///
    /// # Errors
    ///
    /// If the file exists but cannot be read.
    pub fn read(folder: &RunFolder, stem: &str) -> Result<Option<Self>> {
        let path = folder.path().join(result_file(stem));
        match path.is_file() {
            true => Ok(Some(Self::read_file(&path)?)),
            false => Ok(None),
        }
    }

    pub(super) fn read_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let json = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let mut result: Self = serde_json::from_value(earlier::with_figures(json))
            .with_context(|| format!("in {}", path.display()))?;
        checked::check(&result)
            .with_context(|| format!("{} cannot be the result of a run", path.display()))?;
        result.folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        Ok(result)
    }

    /// Writes the matrices as CSV, then the result as JSON: the run is complete once the JSON file
    /// exists.
    ///
    /// # Errors
    ///
    /// If the run's folder cannot be written.
    pub fn write(&self, folder: &RunFolder, stem: &str) -> Result<()> {
        folder.write(&format!("matrix-{stem}.csv"), &self.csv(&self.scores)?)?;
        if !self.label_scores.is_empty() {
            let name = format!("matrix-by-likelihood-{stem}.csv");
            folder.write(&name, &self.csv(&self.label_scores)?)?;
        }
        self.write_alone(folder, stem)
    }

    /// Scores with the names of their tasks.
    fn csv(&self, scores: &[Vec<Option<f64>>]) -> Result<Vec<u8>> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header = std::iter::once("after").chain(self.tasks.iter().map(String::as_str));
        csv.write_record(header)?;
        for (learned, row) in scores.iter().enumerate() {
            let name = match learned {
                0 => "base",
                _ => &self.tasks[learned - 1],
            };
            let scores = row
                .iter()
                .map(|s| s.map_or(String::new(), |s| format!("{s:.2}")));
            csv.write_record(std::iter::once(name.to_string()).chain(scores))?;
        }
        csv.into_inner().context("cannot finish the CSV")
    }

    /// Writes the JSON file alone, for folders of many results. It takes the place of a record that the run diverged.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn write_alone(&self, folder: &RunFolder, stem: &str) -> Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        folder.write(&result_file(stem), json.as_bytes())?;
        folder.remove(&diverged_file(stem))
    }

    /// Reads all results of a run's folder, in the order of their file names.
    ///
    /// # Errors
    ///
    /// If there is none, or one cannot be read.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let results = Self::read_any(folder)?;
        ensure!(
            !results.is_empty(),
            "{} holds no result-*.json: not the folder of a finished run",
            folder.display()
        );
        Ok(results)
    }

    /// As [`read_all`](Self::read_all), of a folder that may hold none.
    ///
    /// # Errors
    ///
    /// If the folder or a result cannot be read.
    pub fn read_any(folder: &Path) -> Result<Vec<Self>> {
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("cannot read the run's folder {}", folder.display()))?;
        let mut files: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                name.is_some_and(|n| n.starts_with("result-") && n.ends_with(".json"))
            })
            .collect();
        files.sort();
        files.iter().map(|path| Self::read_file(path)).collect()
    }
}

/// The name of the file of a result.
pub(super) fn result_file(stem: &str) -> String {
    format!("result-{stem}.json")
}

/// The name of the record of a run that diverged.
pub(super) fn diverged_file(stem: &str) -> String {
    format!("{DIVERGED}{stem}.json")
}

/// How the names of records of diverged runs begin.
pub(super) const DIVERGED: &str = "diverged-";

/// Longest part of a label in a file name, in characters: file systems allow 255 bytes for the whole name.
const LONGEST_LABEL: usize = 120;

/// The stem of a run's file names: readable, and different for different runs. A label may hold characters that no
/// file name may, and be longer than one.
pub fn stem(label: &str, identity: &Identity, seed: u64) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    let label = label.replace(|c| !allowed(c), "-");
    let label: String = label.chars().take(LONGEST_LABEL).collect();
    format!("{label}-{}-seed{seed}", identity.short())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use toml::Table;

    use super::*;
    use crate::record::Contents;

    #[test]
    fn a_label_of_any_length_and_script_makes_a_short_name_of_a_file() {
        let identity = Identity::new(Table::new(), &Table::new(), Contents::default()).unwrap();
        let label = "osft inputs 0.3 of ^(läyers/0)$ ".repeat(50);
        let stem = stem(&label, &identity, 7);
        assert!(stem.len() < 160 && stem.is_ascii(), "{stem}");
        assert!(
            !stem.contains(['/', '^', ' ']) && stem.ends_with("-seed7"),
            "{stem}"
        );
    }
}
