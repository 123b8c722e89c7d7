//! The numbers of one method with one seed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use continual::{Figure, Protocol, ResultMatrix, SequenceOutcome, TaskDiagnostics};
use serde::{Deserialize, Serialize};

use super::{Identity, REVISION, RunFolder, earlier};

/// `result-METHOD-KEY-seedN.json`: everything a report shows about one run of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The method and its variant, as reports show it.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// The order of the tasks, as it was asked for; empty where that was not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the method went through the tasks.
    #[serde(default)]
    pub protocol: Protocol,
    /// Tasks in the order they were learned.
    pub tasks: Vec<String>,
    /// `R[i][j]` of [`ResultMatrix`], row 0 being the base model.
    pub scores: Vec<Vec<Option<f64>>>,
    /// Score of the general-knowledge probe before and after, if there is a probe.
    pub general: Option<(f64, f64)>,
    /// Numbers that training could change independently; the largest over the tasks.
    pub trainable_parameters: usize,
    /// What the method says about the whole run.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Training time over all tasks, what is in the two below left out. Where those are absent, the clock
    /// was an older one: it stopped before what a method does at a task's end, and included the split.
    pub training_seconds: f64,
    /// Time to decompose weights, or to find their splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_seconds: Option<f64>,
    /// Time to run the model over data that is to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_seconds: Option<f64>,
    /// Whether the learning rate was found by tuning; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<bool>,
    /// Revision of the program that ended the run; absent where that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What the result is known by; absent where that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Title of its run, where it was read with others.
    #[serde(skip)]
    pub scale: String,
    /// The folder it was read from.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl RunResult {
    /// The result of a finished sequence.
    pub fn new<M>(method: &str, seed: u64, learning_rate: f64, run: &SequenceOutcome<M>) -> Self {
        let tasks = run.matrix.tasks().to_vec();
        let rows = 0..=tasks.len();
        Self {
            method: method.to_string(),
            seed,
            order: String::new(),
            learning_rate,
            protocol: run.protocol,
            scores: rows.map(|i| run.matrix.row(i).to_vec()).collect(),
            tasks,
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
            tuned: None,
            revision: Some(REVISION.to_string()),
            identity: None,
            scale: String::new(),
            folder: PathBuf::new(),
        }
    }

    /// The result matrix.
    ///
    /// # Errors
    ///
    /// If there are not `T + 1` rows of `T` scores.
    pub fn matrix(&self) -> Result<ResultMatrix> {
        let count = self.tasks.len();
        ensure!(
            self.scores.len() == count + 1 && self.scores.iter().all(|row| row.len() == count),
            "the result of {} with seed {} does not hold {} rows of {count} scores",
            self.method,
            self.seed,
            count + 1
        );
        let mut matrix = ResultMatrix::new(self.tasks.clone());
        for (learned, row) in self.scores.iter().enumerate() {
            for (task, score) in row.iter().enumerate() {
                if let Some(score) = score {
                    matrix.set(learned, task, *score);
                }
            }
        }
        Ok(matrix)
    }

    /// The result of a run if it is finished.
    ///
    /// # Errors
    ///
    /// If the file is there and cannot be read.
    pub fn read(folder: &RunFolder, stem: &str) -> Result<Option<Self>> {
        let path = folder.path().join(format!("result-{stem}.json"));
        match path.is_file() {
            true => Ok(Some(Self::read_file(&path)?)),
            false => Ok(None),
        }
    }

    fn read_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let json = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let mut result: Self = serde_json::from_value(earlier::with_figures(json))
            .with_context(|| format!("in {}", path.display()))?;
        result.matrix()?;
        result.folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        Ok(result)
    }

    /// Writes the matrix as CSV and then the result as JSON, under a name: where that is, the run is
    /// finished.
    ///
    /// # Errors
    ///
    /// If the run's folder cannot be written.
    pub fn write(&self, folder: &RunFolder, stem: &str) -> Result<()> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header = std::iter::once("after").chain(self.tasks.iter().map(String::as_str));
        csv.write_record(header)?;
        for (learned, row) in self.scores.iter().enumerate() {
            let name = match learned {
                0 => "base",
                _ => &self.tasks[learned - 1],
            };
            let scores = row
                .iter()
                .map(|s| s.map_or(String::new(), |s| format!("{s:.2}")));
            csv.write_record(std::iter::once(name.to_string()).chain(scores))?;
        }
        let csv = csv.into_inner().context("cannot finish the CSV")?;
        folder.write(&format!("matrix-{stem}.csv"), &csv)?;
        let json = serde_json::to_string_pretty(self)?;
        folder.write(&format!("result-{stem}.json"), json.as_bytes())
    }

    /// All results in a run's folder, in order of their file names.
    ///
    /// # Errors
    ///
    /// If there is none, or one cannot be read.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
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
        ensure!(
            !files.is_empty(),
            "{} holds no result-*.json: not the folder of a finished run",
            folder.display()
        );
        files.iter().map(|path| Self::read_file(path)).collect()
    }
}

/// What the files of a run are called: readable, and different for everything that is not the same.
pub fn stem(label: &str, identity: &Identity, seed: u64) -> String {
    format!(
        "{}-{}-seed{seed}",
        label.replace(' ', "-"),
        identity.short()
    )
}
