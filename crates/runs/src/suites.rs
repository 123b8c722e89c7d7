//! Suites of general ability, measured before training, after it, and between tasks.

use anyhow::{Context, Result};
use burn::module::Module;
use continual::{ContinualError, Probe, Protocol as Sequences};
use evaluate::course::{self, BaseKey, Course, Stage, StageScore};
use evaluate::{Evaluated, KeptScores, Limits, SuiteNames};
use general::{Protocol, Request, Suite};
use lm::{LanguageModel, Model};
use report::record::RunFolder;
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
    /// The base model, as folders of runs know it.
    key: BaseKey,
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
    pub fn open(config: &RunConfig, base: &BaseModel) -> Result<Option<Self>> {
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
            key: BaseKey::new(&base.fingerprint, config.backend.name()),
        }))
    }

    /// Opens the suites of a configuration and measures the base model, with a progress line; `None` if it names none.
    ///
    /// # Errors
    ///
    /// If a suite or a protocol is unknown, a file cannot be read, or a suite asks for what the model cannot answer.
    pub fn before(config: &RunConfig, base: &BaseModel) -> Result<Option<Self>> {
        match Self::open(config, base)? {
            Some(suites) => suites.measured_before(config, base).map(Some),
            None => Ok(None),
        }
    }

    /// As [`before`](Self::before), without those that are measured between tasks: for a single task.
    ///
    /// # Errors
    ///
    /// As [`before`](Self::before).
    pub fn around(config: &RunConfig, base: &BaseModel) -> Result<Option<Self>> {
        let mut config = config.clone();
        config.suites.after_every_task = false;
        Self::before(&config, base)
    }

    fn measured_before(mut self, config: &RunConfig, base: &BaseModel) -> Result<Self> {
        let suites = &mut self;
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
        Ok(self)
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

    /// Whether the course of a run over `count` tasks has all scores that these suites would give.
    pub fn are_in(&self, course: Option<&Course>, protocol: Sequences, count: usize) -> bool {
        let has = |learned: usize, measured: &Measured| {
            let stage = course.and_then(|course| course.after(learned));
            let mut scores = measured
                .before
                .iter()
                .map(|before| &before.score.suite_hash);
            scores.all(|hash| stage.is_some_and(|stage| stage.of_suite(hash).is_some()))
        };
        let between = |measured| (1..count).all(|learned| has(learned, measured));
        match protocol {
            Sequences::Independent => true,
            Sequences::Joint => has(count, &self.at_end),
            Sequences::Sequential => {
                has(count, &self.at_end) && self.between.as_ref().is_none_or(between)
            }
        }
    }

    /// Keeps the base model's scores in a folder of runs.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn keep_base(&self, folder: &RunFolder) -> Result<()> {
        let scores: Vec<&Evaluated> = self.both().flat_map(|measured| &measured.before).collect();
        course::keep_base(folder, &self.key, &scores)
    }

    /// Keeps the scores of a run in its folder.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn keep(&self, folder: &RunFolder, stem: &str, stages: &[Stage]) -> Result<()> {
        course::keep(folder, stem, &self.key, stages)
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
            let other = |error| not_measured(learned, error);
            error.downcast::<ContinualError>().unwrap_or_else(other)
        })
    }
}

/// The error of a measurement after so many tasks. What was the reason is still known by its type: a loss that is not finite
/// is divergence, and not a fault.
fn not_measured(learned: usize, error: anyhow::Error) -> ContinualError {
    ContinualError::Probe {
        learned,
        source: error.reallocate_into_boxed_dyn_error_without_backtrace(),
    }
}

#[cfg(test)]
mod tests {
    use general::GeneralError;

    use super::not_measured;
    use crate::sequence::diverged;

    #[test]
    fn a_loss_that_is_not_finite_is_divergence_and_another_reason_is_not() {
        let not_finite = || GeneralError::NotFinite {
            suite: "loss".to_string(),
            row: "row 1".to_string(),
            value: f64::NAN,
        };
        let unknown = || GeneralError::UnknownSuite {
            name: "los".to_string(),
            known: "loss".to_string(),
        };
        let is_divergence = |error| diverged(&not_measured(1, error).into());
        assert!(is_divergence(not_finite().into()));
        assert!(is_divergence(
            anyhow::Error::from(not_finite()).context("on loss")
        ));
        assert!(!is_divergence(unknown().into()));
    }
}
