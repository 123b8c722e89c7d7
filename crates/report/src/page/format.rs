//! How many answers have the right format, apart from whether they are right.

use continual::metrics;

use super::Summary;
use super::table::{empty_table, with_numbers};

/// A table of the share of answers after the last task that are among the answers that their task allows, in
/// percent, for every task with a list of them and their mean; `None` if no result records such shares.
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
        let known: Option<Vec<f64>> = shares.iter().copied().collect();
        let mean = known.and_then(|shares| Some(metrics::mean_and_deviation(&shares)?.0));
        let cells = shares.into_iter().chain([mean]);
        let cells =
            cells.map(|share| share.map_or("–".to_string(), |share| format!("{share:.1}")));
        table.add_row(std::iter::once(summary.label()).chain(cells));
    }
    Some(with_numbers(table))
}
