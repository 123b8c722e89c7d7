//! Suites of general ability in a comparison: what a method changes on them, and when.

use anyhow::{Context, Result};
use evaluate::course::{Course, PairedStage};
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
         the mean change of the suites in percent, with the interval of its standard error over rows.\n\n{}\n",
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
    let mut table = empty_table(true);
    let first = last(&entries[0].courses)?;
    let mut header = vec!["method".to_string(), "seeds".to_string()];
    for score in &first.before {
        let mean = score.score.main().map(|main| number(main.mean, main.unit));
        let mean = mean.unwrap_or_default();
        header.push(format!(
            "{} ({} rows, before {mean})",
            score.score.suite,
            score.score.rows.len()
        ));
    }
    header.push("mean of the percents".to_string());
    table.set_header(header);
    for entry in entries {
        let changes = over_seeds(&entry.courses, None)?;
        let mut row = vec![entry.label.clone(), entry.courses.len().to_string()];
        row.extend(changes.iter().map(|(_, change)| with_interval(change)));
        row.push(mean_of_percents(&changes).unwrap_or("–".to_string()));
        table.add_row(row);
    }
    Ok(with_numbers(table))
}

/// One row per method and suite: the change after every stage; `None` if suites were measured in the end only.
fn courses(entries: &[&Entry]) -> Result<Option<String>> {
    let stages = |entry: &Entry| -> Vec<usize> {
        let first = entry.courses.first();
        let stages = first.into_iter().flat_map(|course| &course.stages);
        stages.map(|stage| stage.learned).collect()
    };
    let longest = entries.iter().map(|entry| stages(entry));
    let longest = longest.max_by_key(Vec::len).unwrap_or_default();
    if longest.len() < 2 {
        return Ok(None);
    }
    let mut table = empty_table(true);
    let after = longest.iter().map(|learned| format!("after {learned}"));
    table.set_header(
        ["method".to_string(), "suite".to_string()]
            .into_iter()
            .chain(after),
    );
    for entry in entries {
        let mut rows: Vec<(String, Vec<String>)> = Vec::new();
        for (place, learned) in longest.iter().enumerate() {
            if !stages(entry).contains(learned) {
                continue;
            }
            for (suite, change) in over_seeds(&entry.courses, Some(*learned))? {
                let at = rows.iter().position(|(name, _)| *name == suite);
                let at = at.unwrap_or_else(|| {
                    rows.push((suite, vec!["–".to_string(); longest.len()]));
                    rows.len() - 1
                });
                rows[at].1[place] = signed(change.difference, change.unit);
            }
        }
        for (suite, cells) in rows {
            table.add_row([entry.label.clone(), suite].into_iter().chain(cells));
        }
    }
    Ok(Some(with_numbers(table)))
}

/// The stage after the last task.
fn last(courses: &[Course]) -> Result<&PairedStage> {
    let last = courses.first().and_then(Course::last);
    last.context("a run has the scores of suites after its last task")
}

/// The change on the own measure of every suite, of the mean over runs: after some tasks, or after the last one.
fn over_seeds(courses: &[Course], learned: Option<usize>) -> Result<Vec<(String, Comparison)>> {
    let stage = |course: &Course| {
        let found = match learned {
            None => course.last(),
            Some(learned) => course.stages.iter().find(|stage| stage.learned == learned),
        };
        found.cloned()
    };
    let stages: Vec<PairedStage> = courses.iter().filter_map(stage).collect();
    let Some(first) = stages.first() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (place, before) in first.before.iter().enumerate() {
        let after = stages.iter().filter_map(|stage| stage.after.get(place));
        let after: Vec<&Score> = after.map(|after| &after.score).collect();
        let mean = before.score.with_values(mean_values(&after))?;
        let all = Score::compare(&before.score, &mean, &Bootstrap::default())?;
        let main = all.into_iter().next().context("a suite has a measure")?;
        found.push((before.score.suite.clone(), main));
    }
    Ok(found)
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
fn mean_of_percents(changes: &[(String, Comparison)]) -> Option<String> {
    let percents = changes
        .iter()
        .filter(|(_, change)| change.unit == Unit::Percent);
    let percents: Vec<&Comparison> = percents.map(|(_, change)| change).collect();
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

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{value:.1}"),
        Unit::NatsPerToken => format!("{value:.4}"),
    }
}

fn signed(value: f64, unit: Unit) -> String {
    match value < 0.0 {
        true => format!("−{}", number(-value, unit)),
        false => format!("+{}", number(value, unit)),
    }
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
        let change = ("suite".to_string(), change[0].clone());
        // Differences 100, 0, 0, 0: their standard deviation is 50, the standard error of the mean 25.
        assert_eq!(
            mean_of_percents(std::slice::from_ref(&change)).unwrap(),
            "+25.0 [−24.0, +74.0]"
        );
        let four = vec![change; 4];
        assert_eq!(mean_of_percents(&four).unwrap(), "+25.0 [+0.5, +49.5]");
    }
}
