//! The report of a search.

use report::page::{empty_table, with_numbers};
use report::record::Manifest;

use super::TUNED_FILE;
use super::choice::{Outcome, chosen};
use super::trial::Search;

const LEGEND: &str = "\
AA `1/T Σ R[T][j]`, BWT `1/(T-1) Σ_{j<T} (R[T][j] - R[j][j])` and learning `1/T Σ R[j][j]` on the validation \
rows, means over orders and seeds; no test row was scored. A trial of which a run diverged has no scores and \
cannot be chosen. In bold, the chosen trial of every method: the one with the highest AA.";

/// All trials, method by method.
pub fn table(methods: &[String], outcomes: &[Outcome<'_>], markdown: bool) -> String {
    let mut table = empty_table(markdown);
    table.set_header(["method", "lr", "settings", "AA", "BWT", "learning"]);
    for method in methods {
        let best = chosen(method, outcomes).map(std::ptr::from_ref);
        for outcome in outcomes.iter().filter(|o| o.trial.method == *method) {
            let bold = markdown && best == Some(std::ptr::from_ref(outcome));
            let shown = |value: Option<f64>| match (value, bold) {
                (None, _) => "–".to_string(),
                (Some(value), true) => format!("**{value:.1}**"),
                (Some(value), false) => format!("{value:.1}"),
            };
            let prefix = format!("methods.{method}.");
            let settings = outcome.trial.tried.iter().map(|(key, value)| {
                let name = key.strip_prefix(&prefix).unwrap_or(key);
                format!("{name} = {value}")
            });
            let settings: Vec<String> = settings.collect();
            let accuracy = match outcome.diverged {
                0 => shown(outcome.accuracy),
                _ => "diverged".to_string(),
            };
            table.add_row([
                method.clone(),
                format!("{:e}", outcome.trial.rate),
                settings.join(", "),
                accuracy,
                shown(outcome.transfer),
                shown(outcome.learning),
            ]);
        }
    }
    with_numbers(table)
}

/// The page.
pub fn page(
    title: &str,
    search: &Search,
    methods: &[String],
    outcomes: &[Outcome<'_>],
    tuned: &str,
    computed_by: &str,
    notes: &[String],
) -> String {
    let notes: String = notes.iter().map(|note| format!("{note}\n\n")).collect();
    let origin = Manifest::new(title.to_string(), computed_by).origin();
    format!(
        "# {title}\n\n{search}\n\n{}\n\n{LEGEND}\n\nChosen, as in `{TUNED_FILE}` (`--config {TUNED_FILE}` \
         takes it):\n\n```toml\n{}\n```\n\n{notes}{origin}\n",
        table(methods, outcomes, true),
        tuned.trim_end()
    )
}
