//! How many answers have the right format, apart from whether they are right.

use continual::metrics;

use super::Summary;
use super::table::{empty_table, with_numbers};

/// A table of the share of answers after the last task that are among the answers that their task allows, in
/// percent, for every task with a list of them, and the mean over those that a method learned; `None` if no result records such shares.
pub fn format_table<'a>(
    summaries: impl IntoIterator<Item = &'a Summary>,
    markdown: bool,
) -> Option<String> {
    let summaries: Vec<&Summary> = summaries.into_iter().collect();
    let mut tasks: Vec<&String> = Vec::new();
    for summary in &summaries {
        let run = &summary.runs[0];
        for (task, share) in run.tasks.iter().zip(&run.in_format) {
            if share.is_some() && !tasks.contains(&task) {
                tasks.push(task);
            }
        }
    }
    if tasks.is_empty() {
        return None;
    }
    let mut table = empty_table(markdown);
    let names = tasks.iter().map(|task| format!("{task} %"));
    let header = std::iter::once("method".to_string()).chain(names);
    table.set_header(header.chain(["mean %".to_string()]));
    for summary in summaries {
        let share = |task: &&String| {
            let mean = summary.over_runs(|run| {
                let place = run.tasks.iter().position(|own| own == *task)?;
                *run.in_format.get(place)?
            });
            mean.map(|(mean, _)| mean)
        };
        let shares: Vec<Option<f64>> = tasks.iter().map(share).collect();
        // Another order may have other tasks.
        let own = tasks.iter().zip(&shares);
        let own = own.filter(|(task, _)| summary.runs[0].tasks.contains(task));
        let own: Option<Vec<f64>> = own.map(|(_, share)| *share).collect();
        let mean = own.and_then(|shares| Some(metrics::mean_and_deviation(&shares)?.0));
        let cells = shares.into_iter().chain([mean]);
        let cells =
            cells.map(|share| share.map_or("–".to_string(), |share| format!("{share:.1}")));
        table.add_row(std::iter::once(summary.label()).chain(cells));
    }
    Some(with_numbers(table))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::page::summarize;
    use crate::record::RunResult;

    #[test]
    fn the_mean_is_over_the_tasks_that_a_method_learned() {
        let run = |order: &str, tasks: [&str; 2], in_format: [Option<f64>; 2]| -> RunResult {
            let none = None::<f64>;
            serde_json::from_value(serde_json::json!({
                "method": "m", "seed": 0, "order": order, "learning_rate": 1e-3, "tasks": tasks,
                "scores": [[none, none], [none, none], [1.0, 1.0]],
                "in_format": in_format,
                "general": null, "trainable_parameters": 1, "training_seconds": 1.0,
            }))
            .unwrap()
        };
        let runs = [
            run("1", ["a", "b"], [Some(80.0), Some(60.0)]),
            run("2", ["c", "a"], [None, Some(50.0)]),
        ];
        let summaries = summarize(&runs).unwrap();
        let table = format_table(&summaries, true).unwrap();
        let rows: Vec<Vec<&str>> = table
            .lines()
            .skip(2)
            .map(|row| row.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(rows[0][2..5], ["80.0", "60.0", "70.0"], "{table}");
        assert_eq!(rows[1][2..5], ["50.0", "–", "50.0"], "{table}");
    }
}
