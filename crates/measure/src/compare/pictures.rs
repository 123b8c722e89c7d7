//! The pictures of a comparison: one curve per method over its learning rates, each point over the same seeds.

use anyhow::Result;
use continual::metrics;
use report::page::Summary;
use report::picture::{Curve, CurvesPicture, curves, panels};

use super::entry::{Entry, distance, kept};

/// Most curves over one pair of axes: as many as there are colours that readers can distinguish.
const MOST_TOGETHER: usize = 6;

/// Kept against learning; `None` if no method that learns in sequence has a result.
///
/// # Errors
///
/// If the picture cannot be drawn.
pub fn against_learning(entries: &[Entry]) -> Result<Option<String>> {
    drawn(
        entries,
        "What is kept, against what is learned",
        "learning: mean score right after each task",
        |summary| Some(summary.figure(metrics::learning_accuracy)?.0),
    )
}

/// Kept against distance; `None` as above.
///
/// # Errors
///
/// If the picture cannot be drawn.
pub fn against_distance(entries: &[Entry]) -> Result<Option<String>> {
    drawn(
        entries,
        "What is kept, against how far the model moved",
        "distance from the base model",
        |summary| Some(summary.over_runs(distance)?.0),
    )
}

fn drawn(
    entries: &[Entry],
    title: &str,
    x_label: &str,
    x: impl Fn(&Summary) -> Option<f64>,
) -> Result<Option<String>> {
    let lines: Vec<Curve<'_>> = entries
        .iter()
        .filter(|entry| entry.is_sequential())
        .map(|entry| {
            let seeds = entry.common_seeds();
            // A rate at which a run diverged has no mean over the same seeds.
            let whole = entry.rates.iter().filter(|at| at.diverged.is_empty());
            let at = whole.filter_map(|at| at.over(&seeds));
            let point = |summary: Summary| Some((x(&summary)?, summary.sequential_figure(kept)?.0));
            Curve {
                label: &entry.label,
                points: at.filter_map(point).collect(),
                spread: Vec::new(),
            }
        })
        .filter(|curve| !curve.points.is_empty())
        .collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let picture = CurvesPicture {
        title,
        x_label,
        y_label: "kept, % of what was learned",
        x_ticks: &[],
        y_range: (0.0, 100.0),
        curves: &lines,
    };
    match lines.len() > MOST_TOGETHER {
        true => panels(&picture).map(Some),
        false => curves(&picture).map(Some),
    }
}
