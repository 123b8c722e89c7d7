//! Scores as a table.

use anyhow::{Context, Result};
use general::{Bootstrap, Comparison, GeneralError, Score, Unit};
use report::page::{empty_table, with_numbers};

use crate::course::Course;
use crate::kept::Evaluated;

/// What the columns mean.
pub const LEGEND: &str = "\
Scores are percent, losses nats per token. In brackets: the 95 % interval of a bootstrap over the rows, within the groups \
of a suite. Change: after − before on the same rows, with its interval; better, worse and equal count rows; p: an exact \
sign test, which is McNemar's for answers that are right or wrong. Numbers of different protocols cannot be compared: \
`trace` writes the prompts of OpenCompass, by which TRACE was measured, `lm-eval` those of EleutherAI's harness.";

/// A table with one row per suite and measure; beside each score that of `before`, if there is one. Below it, why the
/// scores of a suite before and after are no pair, if they are none.
///
/// # Errors
///
/// If an interval cannot be computed.
pub fn table(scores: &[Evaluated], before: &[Evaluated], markdown: bool) -> Result<String> {
    let bootstrap = Bootstrap::default();
    let mut table = empty_table(markdown);
    let plain = ["suite", "protocol", "measure", "rows", "score"].map(str::to_string);
    let compared = ["before", "change", "better / worse / equal", "p"].map(str::to_string);
    let columns = match before.is_empty() {
        true => plain.to_vec(),
        false => [plain.as_slice(), &compared].concat(),
    };
    table.set_header(columns.into_iter().chain(["seconds".to_string()]));
    let mut notes = String::new();
    for (at, evaluated) in scores.iter().enumerate() {
        let score = &evaluated.score;
        let comparisons = match before.get(at) {
            Some(before) => match Score::compare(&before.score, score, &bootstrap) {
                Ok(comparisons) => comparisons,
                // Two models may divide a text into other tokens; the other suites are still compared.
                Err(error @ GeneralError::NotAPair { .. }) => {
                    notes.push_str(&format!("\n\n{}: {error}.", score.suite));
                    Vec::new()
                }
                Err(error) => return Err(error.into()),
            },
            None => Vec::new(),
        };
        for (index, measure) in score.measures.iter().enumerate() {
            let interval = score.interval(measure, &bootstrap)?;
            let shown = |value| number(value, measure.unit);
            let mut cells = vec![
                score.suite.clone(),
                score
                    .protocol
                    .map_or_else(|| "–".to_string(), |protocol| protocol.to_string()),
                measure.name.clone(),
                score.rows.len().to_string(),
                format!(
                    "{} [{}, {}]",
                    shown(measure.mean),
                    shown(interval.low),
                    shown(interval.high)
                ),
            ];
            match (comparisons.get(index), before.get(at)) {
                (Some(comparison), _) => cells.extend(compared_cells(comparison)),
                (None, Some(before)) => {
                    let own = before.score.measures.get(index);
                    cells.push(own.map_or("–".to_string(), |own| shown(own.mean)));
                    cells.extend(["–"; 3].map(str::to_string));
                }
                (None, None) => {}
            }
            let seconds = match index {
                0 => format!("{:.0}", evaluated.seconds),
                _ => String::new(),
            };
            cells.push(seconds);
            table.add_row(cells);
        }
    }
    Ok(with_numbers(table) + &notes)
}

/// A section of a report: every score after training beside that before.
///
/// # Errors
///
/// If the scores are no pairs.
pub fn section(title: &str, after: &[Evaluated], before: &[Evaluated]) -> Result<String> {
    let table = table(after, before, true)?;
    Ok(format!(
        "## General ability: {title}\n\n{table}\n\n{LEGEND}\n\n"
    ))
}

/// The section of a report: the scores in the end beside those before, and the suites' own measures after every stage.
///
/// # Errors
///
/// If scores are no pairs.
pub fn course_section(title: &str, course: &Course) -> Result<String> {
    let Some(last) = course.last() else {
        return Ok(String::new());
    };
    let mut text = section(title, &last.after, &last.before)?;
    if course.stages.len() > 1 {
        text.push_str(&stages(course)?);
        text.push_str("\n\n");
    }
    Ok(text)
}

/// The suites' own measures after every stage, each with its change since before the first one on the same rows.
fn stages(course: &Course) -> Result<String> {
    let mut table = empty_table(true);
    table.set_header([
        "tasks learned",
        "suite",
        "rows",
        "before",
        "after",
        "change",
    ]);
    for stage in &course.stages {
        for (before, after) in stage.before.iter().zip(&stage.after) {
            let means = before.score.main().zip(after.score.main());
            let (before, own) = means.context("a suite has a measure")?;
            table.add_row([
                stage.learned.to_string(),
                after.score.suite.clone(),
                after.score.rows.len().to_string(),
                number(before.mean, own.unit),
                number(own.mean, own.unit),
                signed(own.mean - before.mean, own.unit),
            ]);
        }
    }
    Ok(with_numbers(table))
}

/// A number with its sign.
pub fn signed(value: f64, unit: Unit) -> String {
    match value < 0.0 {
        true => format!("−{}", number(-value, unit)),
        false => format!("+{}", number(value, unit)),
    }
}

fn compared_cells(comparison: &Comparison) -> [String; 4] {
    let unit = comparison.unit;
    let signed = |value| signed(value, unit);
    let interval = &comparison.interval;
    [
        number(comparison.before, unit),
        format!(
            "{} [{}, {}]",
            signed(comparison.difference),
            signed(interval.low),
            signed(interval.high)
        ),
        format!(
            "{} / {} / {}",
            comparison.better, comparison.worse, comparison.equal
        ),
        format!("{:.3}", comparison.p_value),
    ]
}

/// A number in its unit.
pub fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{value:.1}"),
        Unit::NatsPerToken => format!("{value:.4}"),
    }
}
