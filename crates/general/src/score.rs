//! Scores of a suite, row by row.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::GeneralError;
use crate::protocol::Protocol;
use crate::request::{Request, Response};
use crate::statistics::{Bootstrap, GroupMean, Interval, Observation, Sample};
use crate::suite::{Expected, Grading, Suite, SuiteRow};
use crate::text::{all_or_nothing, before};

/// The unit of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Percent, from 0 to 100; higher is better.
    Percent,
    /// Nats per token; lower is better.
    NatsPerToken,
}

impl Unit {
    /// Whether a higher value is a better one.
    pub fn higher_is_better(self) -> bool {
        self == Self::Percent
    }
}

/// One measure of all rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// The mean that the protocol reports.
    pub mean: f64,
    /// The standard error of the mean; `None` if there are too few rows to tell.
    pub standard_error: Option<f64>,
    /// The value of every row.
    pub values: Vec<f64>,
}

/// A row that was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoredRow {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// How much it counts in its group: 1, or the number of tokens for a loss.
    pub weight: f64,
}

/// What a model reached on a suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The suite.
    pub suite: String,
    /// The protocol; `None` if the suite is the same in all of them.
    pub protocol: Option<Protocol>,
    /// [`Suite::hash`] of the suite as it was run.
    pub suite_hash: String,
    /// How the values of rows become one number.
    pub group_mean: GroupMean,
    /// The rows.
    pub rows: Vec<ScoredRow>,
    /// The measures; the first one is the suite's own.
    pub measures: Vec<Measure>,
}

/// The mean of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupScore {
    /// The group.
    pub group: String,
    /// Its number of rows.
    pub rows: usize,
    /// The mean over its rows.
    pub mean: f64,
}

impl Suite {
    /// Scores the responses to all requests, in the order of [`Suite::rows`].
    ///
    /// # Errors
    ///
    /// [`GeneralError::ResponseCount`]; [`GeneralError::Response`] with the row whose response
    /// does not answer its request, [`GeneralError::NotFinite`] with the row whose value is not finite;
    /// [`GeneralError::Setting`] if the suite has no row.
    pub fn score(&self, responses: &[Response]) -> Result<Score, GeneralError> {
        if responses.len() != self.rows.len() {
            return Err(GeneralError::ResponseCount {
                suite: self.name().to_string(),
                requests: self.rows.len(),
                responses: responses.len(),
            });
        }
        let names = self.measures();
        let mut values = vec![Vec::with_capacity(responses.len()); names.len()];
        let mut rows = Vec::with_capacity(responses.len());
        for (row, response) in self.rows.iter().zip(responses) {
            if let Some(value) = response.not_finite() {
                return Err(GeneralError::NotFinite {
                    suite: self.name().to_string(),
                    row: row.name.clone(),
                    value,
                });
            }
            let (found, weight) = self.grade(row, response)?;
            for (values, value) in values.iter_mut().zip(found) {
                values.push(value);
            }
            rows.push(ScoredRow {
                name: row.name.clone(),
                group: row.group.clone(),
                weight,
            });
        }
        let unit = match self.rules.grading {
            Grading::Loss => Unit::NatsPerToken,
            _ => Unit::Percent,
        };
        let mut score = Score {
            suite: self.name().to_string(),
            protocol: self.protocol(),
            suite_hash: self.hash()?,
            group_mean: self.rules.mean,
            rows,
            measures: Vec::new(),
        };
        for (name, values) in names.into_iter().zip(values) {
            let sample = score.sample(&values)?;
            score.measures.push(Measure {
                name: name.to_string(),
                unit,
                mean: sample.mean(),
                standard_error: sample.standard_error(),
                values,
            });
        }
        Ok(score)
    }

    /// The values of a row by measure, and its weight.
    fn grade(&self, row: &SuiteRow, response: &Response) -> Result<(Vec<f64>, f64), GeneralError> {
        let refuse = |(expected, found)| GeneralError::Response {
            suite: self.name().to_string(),
            row: row.name.clone(),
            expected,
            found,
        };
        if let Some(misfit) = row.request.misfit(response) {
            return Err(refuse(misfit));
        }
        match (&self.rules.grading, &row.request, response) {
            (Grading::Text(measures), Request::Generate { stop, .. }, Response::Text(output)) => {
                let output = before(output, stop);
                let values = measures.iter().map(|(_, grade)| grade(row, output));
                Ok((values.collect(), 1.0))
            }
            (Grading::Choice(measures), Request::Choose { choices, .. }, Response::Choices(of)) => {
                let right = |pick| row.expected == Expected::Choice(pick);
                let values = measures.iter();
                let values = values.map(|(_, pick)| all_or_nothing(right(pick(choices, of))));
                Ok((values.collect(), 1.0))
            }
            (Grading::Loss, Request::Loss { .. }, Response::Loss(likelihood)) => {
                let values = vec![likelihood.loss_per_token()];
                Ok((values, likelihood.tokens as f64))
            }
            _ => {
                let expected = "a request that the suite's grading can score".to_string();
                Err(refuse((expected, "another request".to_string())))
            }
        }
    }
}

impl Score {
    /// The suite's own measure; `None` if the score has none.
    pub fn main(&self) -> Option<&Measure> {
        self.measures.first()
    }

    /// The score of the same rows with other values, measure by measure.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Setting`] if there are not as many values as rows, or not as many lists as measures.
    pub fn with_values(&self, values: Vec<Vec<f64>>) -> Result<Self, GeneralError> {
        if values.len() != self.measures.len() {
            return Err(GeneralError::Setting {
                setting: "the number of lists of values",
                expected: "the number of measures",
                found: format!("{} for {} measures", values.len(), self.measures.len()),
            });
        }
        let mut score = self.clone();
        for (measure, values) in score.measures.iter_mut().zip(values) {
            let sample = self.sample(&values)?;
            measure.mean = sample.mean();
            measure.standard_error = sample.standard_error();
            measure.values = values;
        }
        Ok(score)
    }

    /// The bootstrap interval of a measure's mean.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Setting`] if a setting is out of range, or the score's own parts do not
    /// belong together.
    pub fn interval(
        &self,
        measure: &Measure,
        bootstrap: &Bootstrap,
    ) -> Result<Interval, GeneralError> {
        bootstrap.interval(&self.sample(&measure.values)?)
    }

    /// The mean of every group, in the order of their first rows.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Setting`] if the score's own parts do not belong together.
    pub fn by_group(&self, measure: &Measure) -> Result<Vec<GroupScore>, GeneralError> {
        let observations = self.observations(&measure.values)?;
        let mut found: Vec<(String, Vec<Observation>)> = Vec::new();
        for (row, observation) in self.rows.iter().zip(observations) {
            match found.get_mut(observation.group) {
                Some((_, rows)) => rows.push(observation),
                None => found.push((row.group.clone(), vec![observation])),
            }
        }
        let groups = found.into_iter().map(|(group, rows)| {
            Ok(GroupScore {
                group,
                rows: rows.len(),
                mean: Sample::new(rows, GroupMean::Rows)?.mean(),
            })
        });
        groups.collect()
    }

    /// Values of the rows as a sample.
    pub(crate) fn sample(&self, values: &[f64]) -> Result<Sample, GeneralError> {
        Sample::new(self.observations(values)?, self.group_mean)
    }

    /// Values of the rows; groups are numbered in the order of their first rows.
    fn observations(&self, values: &[f64]) -> Result<Vec<Observation>, GeneralError> {
        if values.len() != self.rows.len() {
            return Err(GeneralError::Setting {
                setting: "the number of a measure's values",
                expected: "the number of rows",
                found: format!("{} values for {} rows", values.len(), self.rows.len()),
            });
        }
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let observations = self.rows.iter().zip(values).map(|(row, value)| {
            let next = numbers.len();
            Observation {
                group: *numbers.entry(&row.group).or_insert(next),
                value: *value,
                weight: row.weight,
            }
        });
        Ok(observations.collect())
    }
}
