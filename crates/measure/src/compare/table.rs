//! The tables of a comparison.

use anyhow::Result;
use continual::metrics;
use report::page::{LabelFigures, Summary, empty_table, with_numbers};
use report::record::RunResult;

use super::entry::{Entry, distance, in_format, kept};
use super::rates::{SafeRates, shown};
use super::statistics::Paired;

/// Draws of a bootstrap: the ends of an interval then move by a tenth of a point or less from seed to seed.
const RESAMPLES: usize = 10_000;
/// Seed of the draws.
const SEED: u64 = 0;

/// Every method at its learning rate.
pub fn methods(entries: &[Entry], markdown: bool) -> String {
    let mut table = empty_table(markdown);
    table.set_header([
        "method",
        "lr",
        "seeds",
        "AA",
        "BWT",
        "FWT",
        "forgetting",
        "learning",
        "kept %",
        "general",
        "in format %",
        "trainable",
        "carried MB",
        "distance",
        "train + split + calibration s",
    ]);
    for entry in entries {
        let at = entry.reported();
        let diverged = at.map_or(0, |at| at.diverged.len());
        let Some(summary) = entry.scored() else {
            let state = match diverged {
                0 => "not run".to_string(),
                _ => "diverged".to_string(),
            };
            table.add_row([entry.label.clone(), format!("{:e}", entry.chosen), state]);
            continue;
        };
        let number = |value: Option<(f64, f64)>| with_deviation(value, summary.runs.len());
        let before = summary.over_runs(|run| run.general.map(|(before, _)| before));
        let general = match before {
            None => "–".to_string(),
            Some((before, _)) => format!("{before:.1} → {}", number(summary.general_after())),
        };
        let seeds = match diverged {
            0 => summary.runs.len().to_string(),
            count => format!("{} and {count} diverged", summary.runs.len()),
        };
        table.add_row([
            entry.label.clone(),
            summary.rate(),
            seeds,
            number(summary.figure(metrics::average_accuracy)),
            number(summary.sequential_figure(metrics::backward_transfer)),
            number(summary.sequential_figure(metrics::forward_transfer)),
            number(summary.sequential_figure(metrics::forgetting)),
            number(summary.sequential_figure(metrics::learning_accuracy)),
            number(summary.sequential_figure(kept)),
            general,
            number(summary.over_runs(in_format)),
            summary.runs[0].trainable_parameters.to_string(),
            carried(summary),
            number(summary.over_runs(distance)),
            summary.seconds(),
        ]);
    }
    with_numbers(table)
}

fn with_deviation(value: Option<(f64, f64)>, seeds: usize) -> String {
    match value {
        None => "–".to_string(),
        Some((mean, _)) if seeds == 1 => format!("{mean:.1}"),
        Some((mean, deviation)) => format!("{mean:.1} ± {deviation:.1}"),
    }
}

/// Bytes that a method carries, after the first and after the last task, and how many more each task adds.
fn carried(summary: &Summary) -> String {
    let ends = |run: &RunResult| {
        let (first, last) = (run.carried_bytes.first()?, run.carried_bytes.last()?);
        Some((*first as f64, *last as f64))
    };
    let first = summary.over_runs(|run| Some(ends(run)?.0));
    let last = summary.over_runs(|run| Some(ends(run)?.1));
    let (Some((first, _)), Some((last, _))) = (first, last) else {
        return "–".to_string();
    };
    let stages = summary.runs[0].carried_bytes.len();
    let megabytes = |bytes: f64| format!("{:.2}", bytes / 1e6);
    match stages {
        0 | 1 => megabytes(last),
        count => format!(
            "{} → {} (+{} per task)",
            megabytes(first),
            megabytes(last),
            megabytes((last - first) / (count - 1) as f64)
        ),
    }
}

/// The difference of every method to the reference, and to the best method that learns in sequence.
///
/// # Errors
///
/// If two methods answered different questions.
pub fn differences(entries: &[Entry], reference: usize, best: Option<usize>) -> Result<String> {
    let mut table = empty_table(true);
    let to = |place: usize| format!("AA minus that of {}", entries[place].label);
    let others: Vec<usize> = std::iter::once(reference)
        .chain(best.filter(|best| *best != reference))
        .collect();
    let columns = others
        .iter()
        .flat_map(|&place| [to(place), "95 %".to_string(), "pairs of seeds".to_string()]);
    table.set_header(std::iter::once("method".to_string()).chain(columns));
    for (place, entry) in entries.iter().enumerate() {
        let Some(own) = entry.scored() else { continue };
        let mut row = vec![entry.label.clone()];
        for &other in &others {
            let twin = entries[other].scored().filter(|_| other != place);
            let pairs = match twin {
                Some(twin) => Paired::new(&own.runs, &twin.runs)?,
                None => None,
            };
            row.extend(match pairs {
                None => ["–"; 3].map(str::to_string),
                Some(pairs) => {
                    let interval = pairs.interval(RESAMPLES, SEED);
                    [
                        format!("{:+.1}", pairs.mean()),
                        format!("{:+.1} to {:+.1}", interval.low, interval.high),
                        pairs.seeds().to_string(),
                    ]
                }
            });
        }
        table.add_row(row);
    }
    Ok(with_numbers(table))
}

/// The safe learning rates of every method that was run at several; `None` if there is none.
pub fn safe_rates(entries: &[Entry]) -> Option<String> {
    let mut table = empty_table(true);
    table.set_header(["method", "rates run", "AA is safe at", "and general too"]);
    let mut rows = 0;
    for entry in entries {
        let safe = SafeRates::of(entry);
        if safe.tried < 2 {
            continue;
        }
        rows += 1;
        table.add_row([
            entry.label.clone(),
            safe.tried.to_string(),
            shown(&safe.accuracy),
            safe.general.map_or("–".to_string(), |rates| shown(&rates)),
        ]);
    }
    (rows > 0).then(|| with_numbers(table))
}

/// Every run as CSV, with all of its figures.
///
/// # Errors
///
/// If a result has an incomplete matrix.
pub fn csv(entries: &[Entry]) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    // Only where labels were scored, so that a comparison without keeps the columns that it had.
    let with_labels = entries
        .iter()
        .flat_map(Entry::runs)
        .any(|run| LabelFigures::of(run).is_some());
    let header = [
        "method",
        "learning_rate",
        "reported",
        "seed",
        "aa",
        "bwt",
        "fwt",
        "forgetting",
        "learning",
        "kept",
        "general_before",
        "general_after",
        "in_format",
        "trainable",
        "carried_bytes_first",
        "carried_bytes_last",
        "distance",
        "training_seconds",
        "split_seconds",
        "calibration_seconds",
    ];
    let of_labels: &[&str] = match with_labels {
        true => &[
            "labelled_tasks",
            "aa_generated",
            "aa_by_likelihood",
            "bwt_generated",
            "bwt_by_likelihood",
            "lost_as_format",
        ],
        false => &[],
    };
    csv.write_record(header.iter().chain(of_labels))?;
    for entry in entries {
        for run in entry.runs() {
            let matrix = run.matrix()?;
            let optional = [
                metrics::average_accuracy(&matrix),
                metrics::backward_transfer(&matrix),
                metrics::forward_transfer(&matrix),
                metrics::forgetting(&matrix),
                metrics::learning_accuracy(&matrix),
                kept(&matrix),
                run.general.map(|(before, _)| before),
                run.general.map(|(_, after)| after),
                in_format(run),
                Some(run.trainable_parameters as f64),
                run.carried_bytes.first().map(|bytes| *bytes as f64),
                run.carried_bytes.last().map(|bytes| *bytes as f64),
                distance(run),
                Some(run.training_seconds),
                run.split_seconds,
                run.calibration_seconds,
            ];
            let labels = LabelFigures::of(run);
            let labels = [
                labels.map(|figures| figures.tasks as f64),
                labels.map(|figures| figures.generated_accuracy),
                labels.map(|figures| figures.likely_accuracy),
                labels.and_then(|figures| figures.generated_transfer),
                labels.and_then(|figures| figures.likely_transfer),
                labels.and_then(|figures| figures.lost_as_format()),
            ];
            let optional = optional
                .into_iter()
                .chain(labels.into_iter().filter(|_| with_labels));
            let optional = optional.map(|value| value.map_or(String::new(), |v| v.to_string()));
            let own = [
                entry.label.clone(),
                format!("{:e}", run.learning_rate),
                (run.learning_rate == entry.chosen).to_string(),
                run.seed.to_string(),
            ];
            csv.write_record(own.into_iter().chain(optional))?;
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}
