//! What a model reached on suites in the course of a run, and the files that keep it.
//!
//! Rows, groups and weights are those of the base model's scores, which stand once in a folder; after a stage only the
//! values are kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use general::{Comparison, Score};
use report::record::RunFolder;
use serde::{Deserialize, Serialize};

use crate::kept::Evaluated;

/// The file with the scores of the base model.
const BASE: &str = "suites-base.json";

/// What a model reached after a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Number of tasks learned by then.
    pub learned: usize,
    /// Suite by suite.
    pub suites: Vec<StageScore>,
}

/// What a model reached on one suite after a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageScore {
    /// The suite.
    pub suite: String,
    /// [`Suite::hash`](general::Suite::hash) of the suite as it was run.
    pub suite_hash: String,
    /// The value of every row, measure by measure.
    pub values: Vec<Vec<f64>>,
    /// The texts that it generated, for rows that ask for one; empty if none does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Option<String>>,
    /// Seconds that the answers took.
    pub seconds: f64,
}

impl StageScore {
    /// What is kept of a score.
    pub fn of(evaluated: &Evaluated) -> Self {
        let score = &evaluated.score;
        let any = evaluated.outputs.iter().any(Option::is_some);
        Self {
            suite: score.suite.clone(),
            suite_hash: score.suite_hash.clone(),
            values: score.measures.iter().map(|m| m.values.clone()).collect(),
            outputs: match any {
                true => evaluated.outputs.clone(),
                false => Vec::new(),
            },
            seconds: evaluated.seconds,
        }
    }

    /// The whole score, beside that of the base model on the same rows.
    fn whole(&self, base: &Evaluated) -> Result<Evaluated> {
        let outputs = match self.outputs.is_empty() {
            true => vec![None; base.outputs.len()],
            false => self.outputs.clone(),
        };
        Ok(Evaluated {
            score: base.score.with_values(self.values.clone())?,
            outputs,
            seconds: self.seconds,
        })
    }
}

/// The scores of a run beside those of the model that it started from.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The stages, with the scores before and after.
    pub stages: Vec<PairedStage>,
}

/// The scores after a stage, each with that of the base model on the same rows.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedStage {
    /// Number of tasks learned by then.
    pub learned: usize,
    /// Before, suite by suite.
    pub before: Vec<Evaluated>,
    /// After, suite by suite.
    pub after: Vec<Evaluated>,
}

impl PairedStage {
    /// The suites' own measures before and after.
    ///
    /// # Errors
    ///
    /// If scores are no pairs.
    pub fn comparisons(&self) -> Result<Vec<(String, Comparison)>> {
        let bootstrap = general::Bootstrap::default();
        let mut found = Vec::new();
        for (before, after) in self.before.iter().zip(&self.after) {
            let all = Score::compare(&before.score, &after.score, &bootstrap)?;
            let main = all.into_iter().next().context("a suite has a measure")?;
            found.push((after.score.suite.clone(), main));
        }
        Ok(found)
    }
}

impl Course {
    /// The scores after the last stage, if the suites were measured then.
    pub fn last(&self) -> Option<&PairedStage> {
        self.stages.last()
    }
}

/// The file with the scores of a run.
fn file(stem: &str) -> String {
    format!("suites-{stem}.json")
}

/// Keeps the base model's scores in a folder, beside those of other suites that it holds.
///
/// # Errors
///
/// If what is there cannot be read, or the folder cannot be written.
pub fn keep_base(folder: &RunFolder, scores: &[&Evaluated]) -> Result<()> {
    let mut all = base(folder.path())?;
    let count = all.len();
    for score in scores {
        let hash = &score.score.suite_hash;
        if !all.iter().any(|kept| kept.score.suite_hash == *hash) {
            all.push((*score).clone());
        }
    }
    match all.len() == count {
        true => Ok(()),
        false => folder.write(BASE, serde_json::to_string(&all)?.as_bytes()),
    }
}

/// Keeps the scores of a run in its folder.
///
/// # Errors
///
/// If the folder cannot be written.
pub fn keep(folder: &RunFolder, stem: &str, stages: &[Stage]) -> Result<()> {
    folder.write(&file(stem), serde_json::to_string(stages)?.as_bytes())
}

/// The scores of a run that a folder keeps; `None` if there are none, or none on these suites.
///
/// # Errors
///
/// If a file cannot be read, or holds values of other rows than the base model's scores.
pub fn read(folder: &Path, stem: &str) -> Result<Option<Course>> {
    let path = folder.join(file(stem));
    let Some(stages) = json::<Vec<Stage>>(&path)? else {
        return Ok(None);
    };
    let base = base(folder)?;
    let paired = |stage: Stage| {
        let mut paired = PairedStage {
            learned: stage.learned,
            before: Vec::new(),
            after: Vec::new(),
        };
        for score in &stage.suites {
            let hash = &score.suite_hash;
            let before = base.iter().find(|kept| kept.score.suite_hash == *hash);
            let before = before.with_context(|| {
                format!("{BASE} lacks the base model's score on {}", score.suite)
            })?;
            paired.after.push(score.whole(before)?);
            paired.before.push(before.clone());
        }
        anyhow::Ok(paired)
    };
    let stages = stages.into_iter().map(paired).collect::<Result<_>>();
    let stages = stages.with_context(|| format!("in {}", path.display()))?;
    Ok(Some(Course { stages }))
}

fn base(folder: &Path) -> Result<Vec<Evaluated>> {
    Ok(json(&folder.join(BASE))?.unwrap_or_default())
}

/// The content of a file; `None` if there is no file.
fn json<T: for<'de> Deserialize<'de>>(path: &PathBuf) -> Result<Option<T>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let found = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(Some(found))
}
