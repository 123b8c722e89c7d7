//! The timings as a table, a page and JSON.

use std::fmt::Write;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::PLAIN;
use super::spec::{Ready, Spec, Timed};
use report::page::{empty_table, with_numbers};
use report::record::{Manifest, RunFolder};

const LEGEND: &str = "\
Every variant is a process of its own; in each round each does one step, so that a ratio is between \
neighbours in time. `plain` trains the tensors that OSFT trains, everything else frozen. Step: median \
seconds of forward, backward, projection, clipping and AdamW; ×plain: median over the rounds of the \
ratio to `plain`, with the quartiles, so that more than 1 is slower. Counted: multiplications in the targets against `plain`'s, what \
the ratio would be if nothing else took time. Memory: the most that was resident while training (on a graphics card: what \
the program's allocator took there, PyTorch's in the rows of PyTorch); ×plain, the same as a ratio. `bf16 base`: the weights of the split are held in bf16, what trains in f32. \
`mixed bf16`: matrix products in bf16 while training, what trains, sums and the loss \
in f32; compared with `plain` in the same; forward passes without gradients are in f32. A peer is compared with the first row. `recomputed`: activation checkpointing, of a block nothing is kept but its input, the rest is computed again \
in the backward pass; those rows are compared with `plain` of their kind. Setup: seconds to split, or to find the split, \
and attach. `task n`: timed in the n-th task of a sequence, after a step in each of those before. `1 thread`: on so many threads, compared with `plain` on as many. Weights \
and tokens are random; a step goes through whole rows of 128 tokens, in an encoder-decoder those of the \
prompts.";

/// The timings of one shape and number of tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Shape of the model.
    pub shape: String,
    /// Tokens per step, in whole rows.
    pub tokens: usize,
    /// The variants; for each handling and type of activations, `plain` comes first.
    pub rows: Vec<Row>,
}

impl Case {
    /// The row that `row` is compared with: plain fine-tuning with the same handling and
    /// type of activations.
    pub fn plain_of<'a>(&'a self, row: &'a Row) -> &'a Row {
        let of_its_kind = |other: &&Row| {
            other.spec.variant == PLAIN
                && other.spec.activations == row.spec.activations
                && other.spec.mixed_precision == row.spec.mixed_precision
                && other.spec.tasks == row.spec.tasks
                && other.spec.threads == row.spec.threads
        };
        self.rows.iter().find(of_its_kind).unwrap_or(row)
    }
}

/// The timings of one variant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub label: String,
    /// What was timed.
    pub spec: Spec,
    /// The worker's report before the first step.
    pub ready: Ready,
    /// Seconds of the forward passes, by round.
    pub forward_seconds: Vec<f64>,
    /// Seconds of the steps, by round.
    pub step_seconds: Vec<f64>,
    /// Peak memory during training, in MiB.
    pub mebibytes: Option<f64>,
    /// Losses of the steps, in nats.
    pub losses: Vec<f64>,
}

impl Row {
    pub(super) fn new(spec: Spec, ready: Ready, timed: &[Timed]) -> Self {
        Self {
            label: spec.label(),
            spec,
            ready,
            forward_seconds: timed.iter().map(|t| t.forward_seconds).collect(),
            step_seconds: timed.iter().map(|t| t.step_seconds).collect(),
            mebibytes: timed.last().and_then(|t| t.mebibytes),
            losses: timed.iter().map(|t| t.loss).collect(),
        }
    }
}

/// First quartile, median and third quartile of a non-empty slice.
fn quartiles(numbers: &[f64]) -> [f64; 3] {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let position = share * (sorted.len() - 1) as f64;
        let (low, high) = (position.floor() as usize, position.ceil() as usize);
        sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
    };
    [at(0.25), at(0.5), at(0.75)]
}

/// Median of a non-empty slice.
///
/// # Panics
///
/// If `numbers` is empty.
pub fn median(numbers: &[f64]) -> f64 {
    quartiles(numbers)[1]
}

/// Median over the rounds of the ratio between two variants' step times in the same round.
pub fn median_ratio(row: &Row, other: &Row) -> f64 {
    median(&ratios(row, other))
}

fn ratios(row: &Row, other: &Row) -> Vec<f64> {
    let pairs = row.step_seconds.iter().zip(&other.step_seconds);
    pairs.map(|(own, other)| own / other).collect()
}

/// A table with one row per variant.
pub fn table(case: &Case, markdown: bool) -> String {
    let mut table = empty_table(markdown);
    let title = format!("{}, {} tokens", case.shape, case.tokens);
    table.set_header([
        title.as_str(),
        "setup s",
        "forward s",
        "step s",
        "tokens/s",
        "×plain",
        "counted",
        "memory MiB",
        "×plain",
    ]);
    for row in &case.rows {
        let plain = case.plain_of(row);
        let [low, ratio, high] = quartiles(&ratios(row, plain));
        let step = median(&row.step_seconds);
        let forward = median(&row.forward_seconds);
        let none = || "–".to_string();
        let counted = row.ready.multiplications.zip(plain.ready.multiplications);
        let memory = row.mebibytes.zip(plain.mebibytes);
        table.add_row([
            row.label.clone(),
            format!("{:.2}", row.ready.setup_seconds),
            format!("{forward:.3}"),
            format!("{step:.3}"),
            format!("{:.0}", case.tokens as f64 / step),
            match std::ptr::eq(row, plain) {
                true => "1".to_string(),
                false => format!("{ratio:.2} ({low:.2}–{high:.2})"),
            },
            counted.map_or_else(none, |(own, plain)| {
                format!("{:.2}", own as f64 / plain as f64)
            }),
            row.mebibytes.map_or_else(none, |m| format!("{m:.0}")),
            memory.map_or_else(none, |(own, plain)| format!("{:.2}", own / plain)),
        ]);
    }
    with_numbers(table)
}

/// Writes `report.md` and `bench.json`.
///
/// # Errors
///
/// If the folder cannot be written.
pub fn write(folder: &RunFolder, cases: &[Case], backend: &str) -> Result<()> {
    let title = "Cost of a training step".to_string();
    let manifest = Manifest::new(title.clone(), backend);
    let mut page = String::new();
    writeln!(page, "# {title}\n")?;
    for case in cases {
        writeln!(page, "{}\n", table(case, true))?;
    }
    writeln!(page, "{LEGEND}\n\n{}", manifest.origin())?;
    folder.write("report.md", page.as_bytes())?;
    let json = json!({"manifest": manifest, "cases": cases});
    folder.write(
        "bench.json",
        serde_json::to_string_pretty(&json)?.as_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::quartiles;

    #[test]
    fn quartiles_interpolate_between_neighbours() {
        assert_eq!(quartiles(&[3.0]), [3.0; 3]);
        assert_eq!(quartiles(&[4.0, 1.0, 2.0, 3.0]), [1.75, 2.5, 3.25]);
    }
}
