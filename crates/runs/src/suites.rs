//! Suites of general ability, measured before and after training.

use anyhow::{Context, Result};
use continual::ContinualError;
use evaluate::{Evaluated, KeptScores, Limits, SuiteNames};
use general::{Protocol, Suite};
use lm::LanguageModel;

use crate::base::BaseModel;
use crate::interrupt;
use crate::progress::Progress;
use crate::settings::RunConfig;

/// The suites of a run, and what its base model reaches on them.
pub struct GeneralSuites {
    suites: Vec<Suite>,
    limits: Limits,
    /// The scores of the base model, in the order of the suites.
    pub before: Vec<Evaluated>,
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
        Ok(Some(Self {
            suites: names.open().context("suites of general ability")?,
            limits: Limits::of(&base.folder),
            before: Vec::new(),
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
        let progress = Progress::new(suites.rows() as u64);
        suites.before = suites.measured(&base.model, base, kept.as_ref(), &mut |suite, rows| {
            progress.advance(rows as u64, &format!("base model · {suite}"));
            Ok(())
        })?;
        progress.finish();
        Ok(Some(suites))
    }

    /// Number of rows of all suites.
    pub fn rows(&self) -> usize {
        self.suites.iter().map(|suite| suite.rows().len()).sum()
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
        self.measured(model, base, None, told)
    }

    fn measured<M: LanguageModel>(
        &self,
        model: &M,
        base: &BaseModel,
        kept: Option<&KeptScores>,
        told: &mut dyn FnMut(&str, usize) -> Result<()>,
    ) -> Result<Vec<Evaluated>> {
        // A measurement has nothing to save, so it can stop after any batch.
        let mut told = |suite: &str, rows| {
            told(suite, rows)?;
            match interrupt::requested() {
                true => Err(ContinualError::Interrupted.into()),
                false => Ok(()),
            }
        };
        evaluate::scores(
            model,
            &base.tokenizer,
            &self.suites,
            kept,
            self.limits,
            &mut told,
        )
    }

    /// Every score after training beside that before, for a terminal.
    ///
    /// # Errors
    ///
    /// If the scores are no pairs.
    pub fn table(&self, after: &[Evaluated]) -> Result<String> {
        evaluate::page::table(after, &self.before, false)
    }

    /// The section of a report: every score after training beside that before.
    ///
    /// # Errors
    ///
    /// If the scores are no pairs.
    pub fn section(&self, title: &str, after: &[Evaluated]) -> Result<String> {
        let table = evaluate::page::table(after, &self.before, true)?;
        Ok(format!(
            "## General ability: {title}\n\n{table}\n\n{}\n\n",
            evaluate::page::LEGEND
        ))
    }
}
