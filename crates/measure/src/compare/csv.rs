//! Every planned run of a comparison as CSV.

use anyhow::Result;
use continual::metrics;
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

/// A line for every planned run, with how it ended and all of its figures.
///
/// # Errors
///
/// If a result has an incomplete matrix.
pub fn csv(entries: &[Entry]) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let own = ["method", "learning_rate", "reported", "seed", "status"];
    csv.write_record(own.iter().chain(&FIGURES))?;
    for entry in entries {
        for at in &entry.rates {
            let mut runs: Vec<(u64, &str, [Option<f64>; FIGURES.len()])> = Vec::new();
            for run in at.scored.iter().flat_map(|summary| &summary.runs) {
                runs.push((run.seed, "scored", figures(run)?));
            }
            let none = [None; FIGURES.len()];
            runs.extend(at.diverged.iter().map(|run| (run.seed, "diverged", none)));
            runs.extend(at.missing.iter().map(|&seed| (seed, "not run", none)));
            runs.sort_by_key(|(seed, ..)| *seed);
            for (seed, status, figures) in runs {
                let own = [
                    entry.label.clone(),
                    format!("{:e}", at.rate),
                    (at.rate == entry.chosen).to_string(),
                    seed.to_string(),
                    status.to_string(),
                ];
                let figures = figures.map(|value| value.map_or(String::new(), |v| v.to_string()));
                csv.write_record(own.into_iter().chain(figures))?;
            }
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}

fn figures(run: &RunResult) -> Result<[Option<f64>; FIGURES.len()]> {
    let matrix = run.matrix()?;
    Ok([
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
    ])
}
