//! Every planned run of a comparison as CSV.

use anyhow::Result;
use continual::{Protocol, ResultMatrix, metrics};
use report::page::LabelFigures;
use report::record::RunResult;

use super::entry::{Entry, distance, in_format, kept};

/// Columns of a run's figures, empty for a run without scores.
const FIGURES: [&str; 16] = [
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

/// Columns of labels by their likelihood, only where labels were scored: a comparison without keeps its columns.
const OF_LABELS: [&str; 6] = [
    "labelled_tasks",
    "aa_generated",
    "aa_by_likelihood",
    "bwt_generated",
    "bwt_by_likelihood",
    "lost_as_format",
];

/// A line for every planned run, with how it ended and all of its figures.
///
/// # Errors
///
/// If a result has an incomplete matrix.
pub fn csv(entries: &[Entry]) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let own = ["method", "learning_rate", "reported", "seed", "status"];
    let mut all = entries.iter().flat_map(Entry::runs);
    let of_labels: &[&str] = match all.any(|run| LabelFigures::of(run).is_some()) {
        true => &OF_LABELS,
        false => &[],
    };
    csv.write_record(own.iter().chain(&FIGURES).chain(of_labels))?;
    let count = FIGURES.len() + of_labels.len();
    for entry in entries {
        for at in &entry.rates {
            let mut runs: Vec<(u64, &str, Vec<Option<f64>>)> = Vec::new();
            for run in at.scored.iter().flat_map(|summary| &summary.runs) {
                runs.push((run.seed, "scored", figures(run)?));
            }
            let none = || vec![None; count];
            runs.extend(at.diverged.iter().map(|run| (run.seed, "diverged", none())));
            runs.extend(at.missing.iter().map(|&seed| (seed, "not run", none())));
            runs.sort_by_key(|(seed, ..)| *seed);
            for (seed, status, figures) in runs {
                let own = [
                    entry.label.clone(),
                    format!("{:e}", at.rate),
                    (at.rate == entry.chosen).to_string(),
                    seed.to_string(),
                    status.to_string(),
                ];
                let figures = figures.into_iter().take(count);
                let figures = figures.map(|value| value.map_or(String::new(), |v| v.to_string()));
                csv.write_record(own.into_iter().chain(figures))?;
            }
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}

/// The figures of all columns, those of labels last.
fn figures(run: &RunResult) -> Result<Vec<Option<f64>>> {
    let matrix = run.matrix()?;
    let labels = LabelFigures::of(run);
    // What changes from task to task has no meaning where tasks are not learned one after another.
    let sequential = |figure: fn(&ResultMatrix) -> Option<f64>| match run.protocol {
        Protocol::Sequential => figure(&matrix),
        Protocol::Independent | Protocol::Joint => None,
    };
    let own: [_; FIGURES.len()] = [
        metrics::average_accuracy(&matrix),
        sequential(metrics::backward_transfer),
        sequential(metrics::forward_transfer),
        sequential(metrics::forgetting),
        sequential(metrics::learning_accuracy),
        sequential(kept),
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
    let of_labels: [_; OF_LABELS.len()] = [
        labels.map(|figures| figures.tasks as f64),
        labels.map(|figures| figures.generated_accuracy),
        labels.map(|figures| figures.likely_accuracy),
        labels.and_then(|figures| figures.generated_transfer),
        labels.and_then(|figures| figures.likely_transfer),
        labels.and_then(|figures| figures.lost_as_format()),
    ];
    Ok(own.into_iter().chain(of_labels).collect())
}
