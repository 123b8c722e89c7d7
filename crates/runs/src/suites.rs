//! Suites of general ability, measured before training, after it, and between tasks.

use anyhow::{Context, Result};
use burn::module::Module;
use continual::{ContinualError, Probe};
use evaluate::course::{Course, Stage, StageScore};
use evaluate::{Evaluated, KeptScores, Limits, SuiteNames};
use general::{Protocol, Request, Suite};
use lm::{LanguageModel, Model};
use serde_json::Value;

use crate::base::BaseModel;
use crate::interrupt;
use crate::progress::Progress;
use crate::settings::RunConfig;

/// The suites of a run, and what its base model reaches on them.
pub struct GeneralSuites {
    at_end: Measured,
    /// Those that are measured after every task but the last.
    between: Option<Measured>,
    limits: Limits,
}

/// Suites with the base model's scores.
struct Measured {
    suites: Vec<Suite>,
    /// In the order of the suites.
    before: Vec<Evaluated>,
}

impl Measured {
    fn rows(&self) -> usize {
        self.suites.iter().map(|suite| suite.rows().len()).sum()
    }
}

impl GeneralSuites {
    /// Opens the suites of a configuration, without measuring; `None` if it names none.
    ///
    /// # Errors
    ///
    /// If a suite or a protocol is unknown, or a file cannot be read.
    fn open(config: &RunConfig, base: &BaseModel) -> Result<Option<Self>> {
        let of = &config.suites;
        if of.names.is_empty() {
            return Ok(None);
        }
        let protocol: Protocol = of.protocol.parse().context("suites.protocol")?;
        let names = SuiteNames {
            names: &of.names,
            protocol,
            folder: &of.folder,
            limit: (of.limit > 0).then_some(of.limit),
            max_new_tokens: of.max_new_tokens,
        };
        let suites = names.open().context("suites of general ability")?;
        let between = of.after_every_task.then(|| {
            let quick = suites.iter().filter(|suite| !generates(suite)).cloned();
            match of.limit_between {
                0 => quick.collect(),
                limit => quick.map(|suite| suite.first_per_group(limit)).collect(),
            }
        });
        let unmeasured = |suites| Measured {
            suites,
            before: Vec::new(),
        };
        Ok(Some(Self {
            at_end: unmeasured(suites),
            between: between.map(unmeasured),
            limits: Limits::of(&base.folder),
        }))
    }

    /// Opens the suites of a configuration and measures the base model, with a progress line; `None` if it names none.
    ///
    /// # Errors
    ///
    /// If a suite or a protocol is unknown, a file cannot be read, or a suite asks for what the model cannot answer.
    pub fn before(config: &RunConfig, base: &BaseModel) -> Result<Option<Self>> {
        let Some(mut suites) = Self::open(config, base)? else {
            return Ok(None);
        };
        let kept = KeptScores::usual_folder();
        let kept = kept
            .map(|folder| KeptScores::of(folder, base.fingerprint.clone(), config.backend.name()));
        let rows = suites.both().map(Measured::rows).sum::<usize>();
        let progress = Progress::new(rows as u64);
        let limits = suites.limits;
        let between = suites.between.iter_mut();
        for measured in std::iter::once(&mut suites.at_end).chain(between) {
            let mut told = |suite: &str, rows| {
                progress.advance(rows as u64, &format!("base model · {suite}"));
                stopped()
            };
            measured.before = evaluate::scores(
                &base.model,
                &base.tokenizer,
                &measured.suites,
                kept.as_ref(),
                limits,
                &mut told,
            )?;
        }
        progress.finish();
        Ok(Some(suites))
    }

    fn both(&self) -> impl Iterator<Item = &Measured> {
        std::iter::once(&self.at_end).chain(&self.between)
    }

    /// Number of rows that are measured after the last task.
    pub fn rows(&self) -> usize {
        self.at_end.rows()
    }

    /// Number of rows that are measured after every earlier task.
    pub fn rows_between(&self) -> usize {
        self.between.as_ref().map_or(0, Measured::rows)
    }

    /// The base model's scores on the suites in the end.
    pub fn before_training(&self) -> &[Evaluated] {
        &self.at_end.before
    }

    /// Whether the course of a run has the scores that these suites would give: those in the end at least.
    pub fn are_in(&self, course: Option<&Course>) -> bool {
        let hashes = |scores: &[Evaluated]| -> Vec<String> {
            let scores = scores.iter();
            scores.map(|found| found.score.suite_hash.clone()).collect()
        };
        let last = course.and_then(Course::last);
        last.is_some_and(|last| hashes(&last.after) == hashes(&self.at_end.before))
    }

    /// The base model's scores on all suites that are measured at any time.
    pub fn base_scores(&self) -> Vec<&Evaluated> {
        self.both().flat_map(|measured| &measured.before).collect()
    }

    /// Measures a trained model.
    ///
    /// # Errors
    ///
    /// If a suite asks for what the model cannot answer.
    pub fn measure<M: LanguageModel>(
        &self,
        model: &M,
        base: &BaseModel,
        told: &mut dyn FnMut(&str, usize) -> Result<()>,
    ) -> Result<Vec<Evaluated>> {
        // A measurement has nothing to save, so it can stop after any batch.
        let mut told = |suite: &str, rows| {
            told(suite, rows)?;
            stopped()
        };
        self.scores(&self.at_end, model, base, &mut told)
    }

    fn scores<M: LanguageModel>(
        &self,
        measured: &Measured,
        model: &M,
        base: &BaseModel,
        told: &mut dyn FnMut(&str, usize) -> Result<()>,
    ) -> Result<Vec<Evaluated>> {
        let suites = &measured.suites;
        evaluate::scores(model, &base.tokenizer, suites, None, self.limits, told)
    }

    /// Every score after training beside that before, for a terminal.
    ///
    /// # Errors
    ///
    /// If the scores are no pairs.
    pub fn table(&self, after: &[Evaluated]) -> Result<String> {
        evaluate::page::table(after, &self.at_end.before, false)
    }

    /// The section of a report: every score after training beside that before.
    ///
    /// # Errors
    ///
    /// If the scores are no pairs.
    pub fn section(&self, title: &str, after: &[Evaluated]) -> Result<String> {
        evaluate::page::section(title, after, &self.at_end.before)
    }
}

/// Whether a suite asks for generated text.
fn generates(suite: &Suite) -> bool {
    let generated = |request: &Request| matches!(request, Request::Generate { .. });
    suite.rows().iter().any(|row| generated(&row.request))
}

fn stopped() -> Result<()> {
    match interrupt::requested() {
        true => Err(ContinualError::Interrupted.into()),
        false => Ok(()),
    }
}

/// Measures the suites in the course of a sequence.
pub struct SuitesProbe<'a> {
    /// The suites.
    pub suites: &'a GeneralSuites,
    /// The model that the sequence starts from.
    pub base: &'a BaseModel,
}

impl Probe<Model> for SuitesProbe<'_> {
    fn measure(
        &self,
        model: &Model,
        learned: usize,
        count: usize,
        answered: &mut dyn FnMut(&str, usize) -> Result<(), ContinualError>,
    ) -> Result<Option<Value>, ContinualError> {
        let measured = match learned == count {
            true => &self.suites.at_end,
            false => match &self.suites.between {
                Some(between) => between,
                None => return Ok(None),
            },
        };
        let mut told = |suite: &str, rows| Ok(answered(suite, rows)?);
        let scores = self
            .suites
            .scores(measured, &model.valid(), self.base, &mut told)
            .and_then(|scores| {
                let stage = Stage {
                    learned,
                    suites: scores.iter().map(StageScore::of).collect(),
                };
                Ok(serde_json::to_value(stage)?)
            });
        scores.map(Some).map_err(|error| {
            let other = |error: anyhow::Error| ContinualError::Probe {
                learned,
                source: error.into(),
            };
            error.downcast::<ContinualError>().unwrap_or_else(other)
        })
    }
}
