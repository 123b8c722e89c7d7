//! The comparison as a table, a page and JSON.

use std::fmt::Write;

use anyhow::Result;
use serde_json::json;

use super::compare::Comparison;
use super::{HeldWeights, Status};
use report::page::{empty_table, with_numbers};
use report::record::{Manifest, RunFolder};
use runs::Backend;

const LEGEND: &str = "\
Each figure is the largest difference from the first backend over the largest value of the quantity; \
for leaks that a form bounds it is the leak itself, `‖P_hᵀ ΔW‖ / ‖ΔW‖` and its like. The limits and \
the reasons for them stand in `crates/measure/src/portability/job.rs`. The model has two blocks \
of width 32; its weights and rows are drawn on the host, every run of 20 steps starts from them.";

/// A table with one row per quantity and one column per backend.
pub fn table(comparison: &Comparison, markdown: bool) -> String {
    let mut table = empty_table(markdown);
    let backends = comparison.backends.iter().map(ToString::to_string);
    table.set_header(
        ["quantity".to_string(), "limit".to_string()]
            .into_iter()
            .chain(backends),
    );
    for row in &comparison.rows {
        let cells = row.deviations.iter().map(|deviation| match deviation {
            None => "reference".to_string(),
            Some(value) if row.passes(*value) => format!("{value:.0e} ok"),
            Some(value) => format!("{value:.0e} FAIL"),
        });
        let limit = match row.limit {
            0.0 => "equal".to_string(),
            limit => format!("{limit:.0e}"),
        };
        table.add_row([row.name.clone(), limit].into_iter().chain(cells));
    }
    for (part, seconds) in &comparison.seconds {
        let cells = seconds.iter().map(|seconds| format!("{seconds:.2} s"));
        table.add_row(
            [(*part).to_string(), "time".to_string()]
                .into_iter()
                .chain(cells),
        );
    }
    with_numbers(table)
}

/// One line per backend that has no column in the table.
pub fn remarks(results: &[(Backend, Status)]) -> Vec<String> {
    let remark = |(backend, status): &(Backend, Status)| match status {
        Status::Ran(_) => None,
        Status::NotRun(reason) => Some(format!("{}: not run: {reason}", backend.name())),
        Status::Failed(reason) => Some(format!("{}: FAILED: {reason}", backend.name())),
    };
    results.iter().filter_map(remark).collect()
}

/// Writes `report.md` and `portability.json`.
///
/// # Errors
///
/// If the folder cannot be written.
pub fn write(
    folder: &RunFolder,
    weights: HeldWeights,
    comparison: &Comparison,
    results: &[(Backend, Status)],
    computed_by: &str,
) -> Result<()> {
    let job = match weights {
        HeldWeights::Full => "Portability",
        HeldWeights::Bf16 => "Portability, weights held in bf16",
    };
    let count = |is: fn(&Status) -> bool| results.iter().filter(|(_, own)| is(own)).count();
    let broke_off = count(|status| matches!(status, Status::Failed(_)));
    let ran = count(|status| matches!(status, Status::Ran(_)));
    let mut title = match comparison.failures() {
        _ if ran < 2 => format!("{job}: nothing was compared, {ran} backend ran"),
        0 => format!("{job}: all compared figures within their limits"),
        failures => format!("{job}: {failures} figures beyond their limits"),
    };
    if broke_off > 0 {
        title.push_str(&format!(
            ", {broke_off} of {} backends broke off",
            results.len()
        ));
    }
    let manifest = Manifest::new(title.clone(), computed_by);
    let mut page = String::new();
    writeln!(page, "# {title}\n\n{}\n", table(comparison, true))?;
    for line in remarks(results) {
        writeln!(page, "- {line}")?;
    }
    writeln!(page, "\n{LEGEND}\n\n{}", manifest.origin())?;
    folder.write("report.md", page.as_bytes())?;
    let json = json!({
        "manifest": manifest,
        "base_precision": weights,
        "comparison": comparison,
        "not_compared": remarks(results),
    });
    let json = serde_json::to_string_pretty(&json)?;
    folder.write("portability.json", json.as_bytes())
}
