//! The tables of a comparison.

use anyhow::Result;
use continual::metrics;
use report::page::{Summary, empty_table, with_numbers};
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
        "train + split + calibration s (not comparable)",
    ]);
    for entry in entries {
        let seeds = seeds(entry);
        let Some(summary) = entry.scored() else {
            table.add_row([entry.label.clone(), format!("{:e}", entry.chosen), seeds]);
            continue;
        };
        let number = |value: Option<(f64, f64)>| with_deviation(value, summary.runs.len());
        let before = summary.over_runs(|run| run.general.map(|(before, _)| before));
        let general = match before {
            None => "–".to_string(),
            Some((before, _)) => format!("{before:.1} → {}", number(summary.general_after())),
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
            summary.trainable(),
            carried(summary),
            number(summary.over_runs(distance)),
            summary.seconds(),
        ]);
    }
    with_numbers(table)
}

/// How many runs at the reported learning rate have scores, diverged, and were not run.
fn seeds(entry: &Entry) -> String {
    let at = entry.reported();
    let without = at.map_or([0; 2], |at| [at.diverged.len(), at.missing.len()]);
    let without = without.into_iter().zip(["diverged", "not run"]);
    let without = without.filter(|(count, _)| *count > 0);
    let without = without.map(|(count, state)| format!("{count} {state}"));
    let scored = Some(entry.scored_seeds()).filter(|count| *count > 0);
    let parts: Vec<String> = scored
        .map(|count| count.to_string())
        .into_iter()
        .chain(without)
        .collect();
    parts.join(" and ")
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
        let mut row = vec![entry.label.clone()];
        for &other in &others {
            let twin = entries[other].scored().filter(|_| other != place);
            let pairs = match (entry.scored(), twin) {
                (Some(own), Some(twin)) => Paired::new(&own.runs, &twin.runs)?,
                _ => None,
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
    table.set_header([
        "method",
        "rates run",
        "seeds compared",
        "AA is safe at",
        "and general too",
    ]);
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
            match safe.seeds.is_empty() {
                true => "none in common".to_string(),
                false => list(&safe.seeds),
            },
            shown(&safe.accuracy),
            safe.general.map_or("–".to_string(), |rates| shown(&rates)),
        ]);
    }
    (rows > 0).then(|| with_numbers(table))
}

fn list(seeds: &[u64]) -> String {
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    seeds.join(", ")
}
