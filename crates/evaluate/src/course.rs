//! What a model reached on suites in the course of a run, and the files that keep it.
//!
//! Rows, groups and weights are those of the base model's scores, which stand once in a folder for every base model; after
//! a stage only the values are kept. A suite is known by its hash: rows, prompts and rules.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use general::Score;
use lm::FolderFingerprint;
use report::hash::sha256;
use report::record::RunFolder;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::kept::Evaluated;

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
    /// The score on a suite before and after; `None` if it was not measured at this stage.
    pub fn of_suite(&self, suite_hash: &str) -> Option<(&Score, &Score)> {
        let pairs = self.before.iter().zip(&self.after);
        let mut scores = pairs.map(|(before, after)| (&before.score, &after.score));
        scores.find(|(before, _)| before.suite_hash == suite_hash)
    }
}

impl Course {
    /// The scores after the last stage, if any were measured.
    pub fn last(&self) -> Option<&PairedStage> {
        self.stages.last()
    }

    /// The scores after some tasks, if any were measured then.
    pub fn after(&self, learned: usize) -> Option<&PairedStage> {
        self.stages.iter().find(|stage| stage.learned == learned)
    }
}

/// A base model on a backend, as a folder of runs knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseKey(String);

impl BaseKey {
    /// The key of a model with this fingerprint on the backend of this name.
    pub fn new(model: &FolderFingerprint, backend: &str) -> Self {
        let known_by = json!({
            "config": model.config,
            "weights": model.weights,
            "tokenizer": model.tokenizer,
            "backend": backend,
        });
        Self(sha256(known_by.to_string().as_bytes()))
    }
}

/// The content of a run's file.
#[derive(Serialize, Deserialize)]
struct KeptCourse {
    /// The key of the base model.
    base: String,
    stages: Vec<Stage>,
}

/// The file with the scores of a run.
fn file(stem: &str) -> String {
    format!("suites-{stem}.json")
}

/// The file with the scores of a base model.
fn base_file(key: &str) -> String {
    format!("suites-base-{}.json", &key[..key.len().min(8)])
}

/// Keeps a base model's scores in a folder, beside its scores on other suites.
///
/// # Errors
///
/// If what is there cannot be read, or the folder cannot be written.
pub fn keep_base(folder: &RunFolder, key: &BaseKey, scores: &[&Evaluated]) -> Result<()> {
    let mut all = base(folder.path(), &key.0)?;
    let count = all.len();
    for score in scores {
        let hash = &score.score.suite_hash;
        if !all.iter().any(|kept| kept.score.suite_hash == *hash) {
            all.push((*score).clone());
        }
    }
    match all.len() == count {
        true => Ok(()),
        false => folder.write(&base_file(&key.0), serde_json::to_string(&all)?.as_bytes()),
    }
}

/// Keeps the scores of a run in its folder, beside those on other suites that are there: a run gives the same model every
/// time.
///
/// # Errors
///
/// If what is there cannot be read, or the folder cannot be written.
pub fn keep(folder: &RunFolder, stem: &str, key: &BaseKey, stages: &[Stage]) -> Result<()> {
    let earlier: Option<KeptCourse> = json_of(&folder.path().join(file(stem)))?;
    let earlier = earlier.filter(|kept| kept.base == key.0);
    let mut all = earlier.map_or_else(Vec::new, |kept| kept.stages);
    for stage in stages {
        let own = stage.suites.iter();
        match all.iter_mut().find(|kept| kept.learned == stage.learned) {
            None => all.push(stage.clone()),
            Some(kept) => {
                for score in own {
                    kept.suites
                        .retain(|kept| kept.suite_hash != score.suite_hash);
                    kept.suites.push(score.clone());
                }
            }
        }
    }
    all.sort_by_key(|stage| stage.learned);
    let course = KeptCourse {
        base: key.0.clone(),
        stages: all,
    };
    folder.write(&file(stem), serde_json::to_string(&course)?.as_bytes())
}

/// The scores of a run that a folder keeps; `None` if there are none.
///
/// # Errors
///
/// If a file cannot be read, or holds values of other rows than the base model's scores.
pub fn read(folder: &Path, stem: &str) -> Result<Option<Course>> {
    let path = folder.join(file(stem));
    let Some(kept) = json_of::<KeptCourse>(&path)? else {
        return Ok(None);
    };
    let base = base(folder, &kept.base)?;
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
                let file = base_file(&kept.base);
                format!("{file} lacks the base model's score on {}", score.suite)
            })?;
            paired.after.push(score.whole(before)?);
            paired.before.push(before.clone());
        }
        anyhow::Ok(paired)
    };
    let stages = kept.stages.into_iter().map(paired).collect::<Result<_>>();
    let stages = stages.with_context(|| format!("in {}", path.display()))?;
    Ok(Some(Course { stages }))
}

fn base(folder: &Path, key: &str) -> Result<Vec<Evaluated>> {
    Ok(json_of(&folder.join(base_file(key)))?.unwrap_or_default())
}

/// The content of a file; `None` if there is no file.
fn json_of<T: for<'de> Deserialize<'de>>(path: &PathBuf) -> Result<Option<T>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let found = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(Some(found))
}
