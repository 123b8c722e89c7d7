//! A suite as it is run: its rows, how they are graded, and what it is known by.

use std::collections::HashMap;

use serde::Serialize;

use crate::error::GeneralError;
use crate::hash::Hasher;
use crate::protocol::Protocol;
use crate::request::{Likelihood, Request};
use crate::statistics::GroupMean;

/// What the right answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Any of these texts; never empty.
    Texts(Vec<String>),
    /// The choice of this index.
    Choice(usize),
    /// There is none: the loss is the value.
    Nothing,
}

/// One row of a suite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuiteRow {
    /// Its name: the group, and its number in the group from 0.
    pub name: String,
    /// Its group, such as a subject of MMLU; the suite's name if it has no groups.
    pub group: String,
    /// What a model is asked.
    pub request: Request,
    /// The right answer.
    pub expected: Expected,
}

impl SuiteRow {
    /// The texts that are right; none if the answer is not a text.
    pub fn texts(&self) -> &[String] {
        match &self.expected {
            Expected::Texts(texts) => texts,
            _ => &[],
        }
    }
}

/// The score in percent that a row's output has. The output ends before the stop texts.
pub type GradeText = fn(&SuiteRow, &str) -> f64;

/// The index of the choice that a model takes, given the choices and their likelihoods.
pub type PickChoice = fn(&[String], &[Likelihood]) -> usize;

/// How responses become values; each measure has a name, and the first one is the suite's own.
#[derive(Clone, Copy, Debug)]
pub enum Grading {
    /// The generated texts are scored.
    Text(&'static [(&'static str, GradeText)]),
    /// 100 if the right choice is taken, otherwise 0.
    Choice(&'static [(&'static str, PickChoice)]),
    /// Cross-entropy per token, in nats.
    Loss,
}

impl Grading {
    /// The names of the measures.
    pub fn measures(&self) -> Vec<&'static str> {
        match self {
            Self::Text(measures) => measures.iter().map(|(name, _)| *name).collect(),
            Self::Choice(measures) => measures.iter().map(|(name, _)| *name).collect(),
            Self::Loss => vec!["loss"],
        }
    }
}

/// What a suite is apart from its rows.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The suite's name.
    pub name: String,
    /// The protocol; `None` for suites that are the same in all of them.
    pub protocol: Option<Protocol>,
    /// Number that changes when prompts are scored otherwise than before.
    pub version: u32,
    /// How the values of rows become one number.
    pub mean: GroupMean,
    /// How responses become values.
    pub grading: Grading,
}

/// A suite as it is run.
#[derive(Clone, Debug)]
pub struct Suite {
    pub(crate) rules: Rules,
    pub(crate) rows: Vec<SuiteRow>,
}

/// Number that changes with the form of what is hashed.
const HASH_VERSION: u32 = 1;

impl Suite {
    /// A suite of questions: group, request and right answer of every row.
    pub fn new(
        rules: Rules,
        questions: impl IntoIterator<Item = (String, Request, Expected)>,
    ) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let rows = questions.into_iter().map(|(group, request, expected)| {
            let count = counts.entry(group.clone()).or_default();
            let name = format!("{group}/{count}");
            *count += 1;
            SuiteRow {
                name,
                group,
                request,
                expected,
            }
        });
        Self {
            rows: rows.collect(),
            rules,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.rules.name
    }

    /// Its protocol; `None` if it is the same in all of them.
    pub fn protocol(&self) -> Option<Protocol> {
        self.rules.protocol
    }

    /// The names of its measures; the first one is the suite's own.
    pub fn measures(&self) -> Vec<&'static str> {
        self.rules.grading.measures()
    }

    /// Its rows. Requests are answered in this order.
    pub fn rows(&self) -> &[SuiteRow] {
        &self.rows
    }

    /// The first rows of every group, for a measurement that takes less time.
    #[must_use]
    pub fn first_per_group(mut self, count: usize) -> Self {
        let mut kept: HashMap<String, usize> = HashMap::new();
        self.rows.retain(|row| {
            let kept = kept.entry(row.group.clone()).or_default();
            *kept += 1;
            *kept <= count
        });
        self
    }

    /// What the suite is known by, for keeping results: SHA-256, in hexadecimal digits, of its
    /// name, protocol, version, measures and of all rows with their prompts and right answers.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Setting`] if the rows cannot be written as JSON, which those of the
    /// built-in suites can.
    pub fn hash(&self) -> Result<String, GeneralError> {
        let rules = &self.rules;
        let parts = (
            HASH_VERSION,
            &rules.name,
            rules.protocol,
            rules.version,
            rules.mean,
            self.measures(),
            &self.rows,
        );
        let mut hasher = Hasher::default();
        serde_json::to_writer(&mut hasher, &parts).map_err(|error| GeneralError::Setting {
            setting: "a row",
            expected: "something that can be written as JSON",
            found: error.to_string(),
        })?;
        Ok(hasher.finish())
    }
}
