//! The table of a study as CSV.

use anyhow::Result;
use continual::metrics;

use super::groups::{Group, columns};

const HEADER: [&str; 16] = [
    "variant",
    "learning_rate",
    "seeds",
    "diverged",
    "not_run",
    "free",
    "learning",
    "learning_sd",
    "retained",
    "retained_sd",
    "aa",
    "aa_sd",
    "bwt",
    "bwt_sd",
    "general",
    "general_sd",
];

/// A line for every variant at every planned learning rate; without a run with scores its figures are empty.
///
/// # Errors
///
/// If the CSV cannot be written.
pub fn csv(groups: &[Group<'_>]) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let columns = columns(groups);
    let names = columns.iter().map(|figure| figure.name.as_str());
    csv.write_record(HEADER.into_iter().chain(names))?;
    for group in groups {
        for at in &group.rates {
            let runs = at.scored.map_or(0, |summary| summary.runs.len());
            let mut row = vec![group.label.clone(), format!("{:e}", at.rate)];
            row.extend([runs, at.diverged, at.missing].map(|count| count.to_string()));
            let Some(summary) = at.scored else {
                row.resize(HEADER.len() + columns.len(), String::new());
                csv.write_record(row)?;
                continue;
            };
            row.push(summary.trainable());
            let figures = [
                summary.sequential_figure(metrics::learning_accuracy),
                summary.sequential_figure(metrics::retention),
                summary.figure(metrics::average_accuracy),
                summary.sequential_figure(metrics::backward_transfer),
                summary.general_after(),
            ];
            for figure in figures {
                let (mean, deviation) = figure.unzip();
                let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.3}"));
                row.extend([number(mean), number(deviation)]);
            }
            let figures = columns.iter().map(|figure| summary.method_figure(figure));
            row.extend(figures.map(|value| value.map_or(String::new(), |v| format!("{v:.4e}"))));
            csv.write_record(row)?;
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}
