//! Suites of general ability in a comparison: what a method changes on them, and when.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use evaluate::course::{Course, PairedStage};
use evaluate::page::{number, signed};
use general::{Bootstrap, Comparison, Score, Unit};
use report::page::{empty_table, with_numbers};

use super::entry::Entry;

/// Normal quantile of an interval of 95 %.
const NORMAL_95: f64 = 1.959_964;

/// The section of a report; `None` if no run measured a suite.
///
/// # Errors
///
/// If scores are no pairs.
pub fn section(entries: &[Entry]) -> Result<Option<String>> {
    let measured = entries.iter().filter(|entry| !entry.courses.is_empty());
    let measured: Vec<&Entry> = measured.collect();
    if measured.is_empty() {
        return Ok(None);
    }
    let mut section = format!(
        "Change since the base model on the same rows after the last task, mean over seeds. In brackets: the 95 % interval \
         of a bootstrap over rows, within the groups of a suite. Percent, or nats per token for a loss. The last column is \
         the mean change of the suites in percent, with the interval of its standard error over rows, where a method has all \
         of them. *n of m* where only so many runs have measured a suite.\n\n{}\n",
        changes(&measured)?
    );
    if let Some(table) = courses(&measured)? {
        section.push_str(&format!(
            "\nThe same after every task, on as many rows as are measured there.\n\n{table}\n"
        ));
    }
    Ok(Some(section))
}

/// One row per method: the change on every suite.
fn changes(entries: &[&Entry]) -> Result<String> {
    let all: Vec<&PairedStage> = entries.iter().flat_map(|entry| last(entry)).collect();
    let columns = columns(&all);
    let mut table = empty_table(true);
    let mut header = vec!["method".to_string(), "seeds".to_string()];
    for &column in &columns {
        let mean = column.main().map(|main| number(main.mean, main.unit));
        let (suite, rows) = (&column.suite, column.rows.len());
        header.push(format!(
            "{suite} ({rows} rows, before {})",
            mean.unwrap_or_default()
        ));
    }
    header.push("mean of the percents".to_string());
    table.set_header(header);
    let bootstrap = Bootstrap::default();
    for entry in entries {
        let stages = last(entry);
        let mut row = vec![entry.label.clone(), entry.courses.len().to_string()];
        let mut changes = Vec::new();
        for &column in &columns {
            let Some((mean, runs)) = mean_over(&stages, column)? else {
                row.push("–".to_string());
                continue;
            };
            let all = Score::compare(column, &mean, &bootstrap)?;
            let change = all.into_iter().next().context("a suite has a measure")?;
            row.push(with_interval(&change) + &of_runs(runs, entry.courses.len()));
            changes.push(change);
        }
        // A mean over fewer suites would be another figure in the same column.
        let mean = mean_of_percents(&changes).filter(|_| changes.len() == columns.len());
        row.push(mean.unwrap_or("–".to_string()));
        table.add_row(row);
    }
    Ok(with_numbers(table))
}

/// The stages after the last task of a method's runs.
fn last(entry: &Entry) -> Vec<&PairedStage> {
    entry.courses.iter().filter_map(Course::last).collect()
}

/// One row per method and suite: the change after every stage; `None` if suites were measured in the end only.
fn courses(entries: &[&Entry]) -> Result<Option<String>> {
    let all = || entries.iter().flat_map(|entry| &entry.courses);
    let stages = all().flat_map(|course| &course.stages);
    let learned: BTreeSet<usize> = stages.map(|stage| stage.learned).collect();
    if learned.len() < 2 {
        return Ok(None);
    }
    let count = learned.len();
    let mut table = empty_table(true);
    let after = learned.iter().map(|learned| format!("after {learned}"));
    let head = ["method".to_string(), "suite".to_string()];
    table.set_header(head.into_iter().chain(after));
    for entry in entries {
        let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (place, learned) in learned.iter().enumerate() {
            let stages = entry
                .courses
                .iter()
                .filter_map(|course| course.after(*learned));
            let stages: Vec<&PairedStage> = stages.collect();
            // Other rows of a suite are another column; the first seed says which are shown.
            for column in columns(&stages) {
                let cells = rows.entry(&column.suite);
                let cells = cells.or_insert_with(|| vec!["–".to_string(); count]);
                if cells[place] != "–" {
                    continue;
                }
                let Some((mean, runs)) = mean_over(&stages, column)? else {
                    continue;
                };
                let means = column.main().zip(mean.main());
                let (before, after) = means.context("a suite has a measure")?;
                let change = signed(after.mean - before.mean, after.unit);
                cells[place] = change + &of_runs(runs, entry.courses.len());
            }
        }
        for (suite, cells) in rows {
            let head = [entry.label.clone(), suite.to_string()];
            table.add_row(head.into_iter().chain(cells));
        }
    }
    Ok(Some(with_numbers(table)))
}

/// The base model's scores on the suites of some stages, in the order in which the suites were first measured.
fn columns<'a>(stages: &[&'a PairedStage]) -> Vec<&'a Score> {
    let mut columns: Vec<&'a Score> = Vec::new();
    for before in stages.iter().flat_map(|stage| &stage.before) {
        let is_there = |column: &&Score| column.suite_hash == before.score.suite_hash;
        if !columns.iter().any(is_there) {
            columns.push(&before.score);
        }
    }
    columns
}

/// The score of the mean over the runs that measured a suite, and their number; `None` if none did.
fn mean_over(stages: &[&PairedStage], column: &Score) -> Result<Option<(Score, usize)>> {
    let scores = stages
        .iter()
        .filter_map(|stage| stage.of_suite(&column.suite_hash));
    let scores: Vec<&Score> = scores.map(|(_, after)| after).collect();
    match scores.is_empty() {
        true => Ok(None),
        false => {
            let mean = column.with_values(mean_values(&scores))?;
            Ok(Some((mean, scores.len())))
        }
    }
}

/// Says how many runs a mean is over, if not over all.
fn of_runs(runs: usize, all: usize) -> String {
    match runs == all {
        true => String::new(),
        false => format!(" ({runs} of {all})"),
    }
}

/// The mean of every row's value over runs, measure by measure.
fn mean_values(scores: &[&Score]) -> Vec<Vec<f64>> {
    let Some(first) = scores.first() else {
        return Vec::new();
    };
    let mean = |measure: usize, row: usize| {
        let values = scores
            .iter()
            .filter_map(|score| score.measures.get(measure)?.values.get(row));
        values.sum::<f64>() / scores.len() as f64
    };
    let measures = first.measures.iter().enumerate();
    measures
        .map(|(measure, of)| (0..of.values.len()).map(|row| mean(measure, row)).collect())
        .collect()
}

/// The mean change of the suites that are scored in percent, with its interval; the suites' rows are independent.
fn mean_of_percents(changes: &[Comparison]) -> Option<String> {
    let percents = changes.iter().filter(|change| change.unit == Unit::Percent);
    let percents: Vec<&Comparison> = percents.collect();
    if percents.is_empty() {
        return None;
    }
    let count = percents.len() as f64;
    let mean = percents.iter().map(|change| change.difference).sum::<f64>() / count;
    let variances = percents
        .iter()
        .map(|change| Some(change.standard_error?.powi(2)));
    let variance = variances.sum::<Option<f64>>();
    Some(match variance {
        None => signed(mean, Unit::Percent),
        Some(variance) => {
            let half = NORMAL_95 * variance.sqrt() / count;
            let [low, high] = [mean - half, mean + half].map(|end| signed(end, Unit::Percent));
            format!("{} [{low}, {high}]", signed(mean, Unit::Percent))
        }
    })
}

fn with_interval(change: &Comparison) -> String {
    let shown = |value| signed(value, change.unit);
    let interval = &change.interval;
    format!(
        "{} [{}, {}]",
        shown(change.difference),
        shown(interval.low),
        shown(interval.high)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use general::{GroupMean, Measure, ScoredRow};

    use super::*;

    fn score(values: &[f64]) -> Score {
        let rows = (0..values.len()).map(|row| ScoredRow {
            name: row.to_string(),
            group: "all".to_string(),
            weight: 1.0,
        });
        Score {
            suite: "suite".to_string(),
            protocol: None,
            suite_hash: "hash".to_string(),
            group_mean: GroupMean::Rows,
            rows: rows.collect(),
            measures: vec![Measure {
                name: "accuracy".to_string(),
                unit: Unit::Percent,
                mean: 0.0,
                standard_error: None,
                values: values.to_vec(),
            }],
        }
    }

    #[test]
    fn the_mean_over_runs_is_taken_row_by_row() {
        let (one, other) = (score(&[100.0, 0.0, 0.0]), score(&[100.0, 100.0, 0.0]));
        assert_eq!(mean_values(&[&one, &other]), [[100.0, 50.0, 0.0]]);
        let mean = one.with_values(mean_values(&[&one, &other])).unwrap();
        let change = Score::compare(&one, &mean, &Bootstrap::default()).unwrap();
        assert!((change[0].difference - 50.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_the_mean_narrows_with_the_number_of_suites() {
        let (before, after) = (
            score(&[0.0, 100.0, 0.0, 0.0]),
            score(&[100.0, 100.0, 0.0, 0.0]),
        );
        let change = Score::compare(&before, &after, &Bootstrap::default()).unwrap();
        let change = change[0].clone();
        // Differences 100, 0, 0, 0: their standard deviation is 50, the standard error of the mean 25.
        assert_eq!(
            mean_of_percents(std::slice::from_ref(&change)).unwrap(),
            "+25.0 [−24.0, +74.0]"
        );
        let four = vec![change; 4];
        assert_eq!(mean_of_percents(&four).unwrap(), "+25.0 [+0.5, +49.5]");
    }
}
