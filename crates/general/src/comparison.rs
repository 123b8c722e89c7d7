//! A model before and after a change, row by row.

use crate::error::GeneralError;
use crate::score::{Measure, Score, Unit};
use crate::statistics::{Bootstrap, Interval, sign_test};

/// One measure before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The measure.
    pub measure: String,
    /// The unit of all figures but the counts.
    pub unit: Unit,
    /// The mean before.
    pub before: f64,
    /// The mean after.
    pub after: f64,
    /// After minus before.
    pub difference: f64,
    /// The standard error of the difference over pairs of rows; `None` if there are too few rows.
    pub standard_error: Option<f64>,
    /// The bootstrap interval of the difference over pairs of rows.
    pub interval: Interval,
    /// Rows that became better.
    pub better: usize,
    /// Rows that became worse.
    pub worse: usize,
    /// Rows that stayed the same.
    pub equal: usize,
    /// The exact two-sided sign test of rows that became better or worse; McNemar's exact test
    /// where rows are right or wrong.
    pub p_value: f64,
}

impl Score {
    /// Compares two scores of the same suite as pairs of rows, measure by measure.
    ///
    /// # Errors
    ///
    /// [`GeneralError::NotAPair`] if suite, protocol, rows or measures differ, or a text has
    /// another number of tokens; [`GeneralError::Setting`] if a setting is out of range.
    pub fn compare(
        before: &Self,
        after: &Self,
        bootstrap: &Bootstrap,
    ) -> Result<Vec<Comparison>, GeneralError> {
        if let Some(reason) = unlike(before, after) {
            return Err(GeneralError::NotAPair { reason });
        }
        let pairs = before.measures.iter().zip(&after.measures);
        let compared = pairs.map(|(old, new)| compare_measure(before, old, new, bootstrap));
        compared.collect()
    }
}

fn compare_measure(
    score: &Score,
    before: &Measure,
    after: &Measure,
    bootstrap: &Bootstrap,
) -> Result<Comparison, GeneralError> {
    let pairs = before.values.iter().zip(&after.values);
    let differences: Vec<f64> = pairs.map(|(old, new)| new - old).collect();
    let sample = score.sample(&differences)?;
    let signs = sign_test(&differences);
    let (better, worse) = match before.unit.higher_is_better() {
        true => (signs.positive, signs.negative),
        false => (signs.negative, signs.positive),
    };
    Ok(Comparison {
        measure: before.name.clone(),
        unit: before.unit,
        before: before.mean,
        after: after.mean,
        difference: sample.mean(),
        standard_error: sample.standard_error(),
        interval: bootstrap.interval(&sample)?,
        better,
        worse,
        equal: signs.equal,
        p_value: signs.p_value,
    })
}

/// Why two scores are no pair.
fn unlike(before: &Score, after: &Score) -> Option<String> {
    let name = |score: &Score| match score.protocol {
        Some(protocol) => format!("{} by {protocol}", score.suite),
        None => score.suite.clone(),
    };
    if name(before) != name(after) {
        let (before, after) = (name(before), name(after));
        return Some(format!("one is {before}, the other {after}"));
    }
    let rows = |score: &Score| -> Vec<(String, String)> {
        let rows = score.rows.iter();
        rows.map(|row| (row.name.clone(), row.group.clone()))
            .collect()
    };
    if before.suite_hash != after.suite_hash || rows(before) != rows(after) {
        let reason = "the suite was run with other rows, prompts or rules: measure both again";
        return Some(reason.to_string());
    }
    let measures = |score: &Score| -> Vec<(String, Unit)> {
        let measures = score.measures.iter();
        measures
            .map(|measure| (measure.name.clone(), measure.unit))
            .collect()
    };
    if measures(before) != measures(after) {
        return Some("they have other measures: measure both again".to_string());
    }
    let lengths = |score: &Score| -> Vec<usize> {
        let measures = score.measures.iter();
        measures.map(|measure| measure.values.len()).collect()
    };
    if lengths(before) != lengths(after) {
        return Some("a row lacks its value: measure both again".to_string());
    }
    let mut pairs = before.rows.iter().zip(&after.rows);
    pairs
        .find(|(old, new)| old.weight != new.weight)
        .map(|(old, new)| {
            format!(
                "{} has {} tokens before and {} after, so the tokenizers differ",
                old.name, old.weight, new.weight
            )
        })
}
