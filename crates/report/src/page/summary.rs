//! Summaries: mean and standard deviation over seeds, one line per method.

use anyhow::{Result, bail};
use continual::{Figure, Protocol, ResultMatrix, metrics};

use super::table::{empty_table, with_numbers};
use crate::record::{NamedResult, RunResult, tell_apart};

/// The results of one method over its seeds.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The method and its variant, with the settings that distinguish it from others of the same
    /// name.
    pub method: String,
    /// The order of the tasks, if the summaries differ in it.
    pub order: Option<String>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Its runs, one per seed.
    pub runs: Vec<RunResult>,
    matrices: Vec<ResultMatrix>,
}

/// Groups results that differ in the seed only, in the order of their first occurrence.
///
/// # Errors
///
/// If a result has an incomplete matrix or occurs twice.
pub fn summarize(results: &[RunResult]) -> Result<Vec<Summary>> {
    let mut summaries: Vec<Summary> = Vec::new();
    let several = results.iter().any(|other| other.tasks != results[0].tasks);
    for result in results {
        let matrix = result.matrix()?;
        let same = summaries
            .iter_mut()
            .find(|summary| is_one_run(&summary.runs[0], result));
        match same {
            Some(summary) => {
                if let Some(twin) = summary.runs.iter().find(|run| run.seed == result.seed) {
                    bail!(
                        "{} with seed {} appears twice, in {} and in {}: {}; leave one out",
                        result.method,
                        result.seed,
                        twin.folder.display(),
                        result.folder.display(),
                        match result.identity {
                            Some(_) => "the same run counts once",
                            None =>
                                "an earlier version recorded them, and nothing tells them apart",
                        }
                    );
                }
                summary.runs.push(result.clone());
                summary.matrices.push(matrix);
            }
            None => summaries.push(Summary {
                method: result.method.clone(),
                order: several.then(|| result.order.clone()),
                learning_rate: result.learning_rate,
                runs: vec![result.clone()],
                matrices: vec![matrix],
            }),
        }
    }
    let named: Vec<NamedResult<'_>> = summaries
        .iter()
        .map(|summary| NamedResult {
            label: &summary.method,
            tasks: &summary.runs[0].tasks,
            identity: summary.runs[0].identity.as_ref(),
        })
        .collect();
    let labels = tell_apart(&named);
    for (summary, label) in summaries.iter_mut().zip(labels) {
        summary.method = label;
    }
    Ok(summaries)
}

/// A sentence about runs from several or unknown revisions of the program; `None` if all share one
/// revision.
pub fn several_revisions<'a>(revisions: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut found: Vec<&str> = Vec::new();
    let mut count = 0;
    for revision in revisions {
        count += 1;
        if !found.contains(&revision) {
            found.push(revision);
        }
    }
    // Two programs with uncommitted changes may differ.
    let unknown = |revision: &&str| revision.ends_with("-dirty") || *revision == "unknown";
    (found.len() > 1 || count > 1 && found.iter().any(unknown)).then(|| {
        format!(
            "Several revisions of the program may have made these runs ({}): differences may come from \
             the program.",
            found.join(", ")
        )
    })
}

/// Whether two results differ in the seed only.
fn is_one_run(a: &RunResult, b: &RunResult) -> bool {
    match (&a.identity, &b.identity) {
        (Some(a), Some(b)) => a.key == b.key,
        // Results from before identities existed: compare everything that was recorded.
        (None, None) => {
            a.method == b.method
                && a.learning_rate == b.learning_rate
                && a.tasks == b.tasks
                && a.scale == b.scale
        }
        _ => false,
    }
}

impl Summary {
    /// The method, and the order of the tasks if it distinguishes summaries.
    pub fn label(&self) -> String {
        match &self.order {
            None => self.method.clone(),
            Some(order) => format!("order {order} · {}", self.method),
        }
    }

    /// The same over some of the seeds; `None` if none of them was run.
    pub fn over(&self, seeds: &[u64]) -> Option<Self> {
        let mut own = self.clone();
        let kept: Vec<bool> = own
            .runs
            .iter()
            .map(|run| seeds.contains(&run.seed))
            .collect();
        let (mut runs, mut matrices) = (kept.iter(), kept.iter());
        own.runs.retain(|_| runs.next() == Some(&true));
        own.matrices.retain(|_| matrices.next() == Some(&true));
        (!own.runs.is_empty()).then_some(own)
    }

    /// Whether another summary is of the same method on another order of the tasks.
    pub fn is_same_across_orders(&self, other: &Self) -> bool {
        let known = match (&self.runs[0].identity, &other.runs[0].identity) {
            // An order may have a learning rate of its own.
            (Some(own), Some(other)) => own.is_same_across_orders(other),
            (None, None) => self.learning_rate == other.learning_rate,
            _ => false,
        };
        known && self.method == other.method
    }

    /// The learning rate, with a mark whether it was tuned, if that is known.
    pub fn rate(&self) -> String {
        let marks: Vec<Option<bool>> = self.runs.iter().map(|run| run.tuned).collect();
        let mark = match marks.as_slice() {
            [Some(true), rest @ ..] if rest.iter().all(|mark| *mark == Some(true)) => " tuned",
            // Seeds of one run may have different marks.
            marks if marks.contains(&Some(false)) => " not tuned",
            _ => "",
        };
        format!("{:e}{mark}", self.learning_rate)
    }

    /// Mean seconds over seeds: training, split, calibration; a single number for results from
    /// before they were measured separately.
    pub fn seconds(&self) -> String {
        let mean = |part: fn(&RunResult) -> Option<f64>| Some(self.over_runs(part)?.0);
        let Some(training) = mean(|run| Some(run.training_seconds)) else {
            return "–".to_string();
        };
        match (
            mean(|run| run.split_seconds),
            mean(|run| run.calibration_seconds),
        ) {
            (Some(split), Some(calibration)) => {
                format!("{training:.1} + {split:.1} + {calibration:.1}")
            }
            _ => format!("{training:.1} (older clock)"),
        }
    }

    /// Mean and standard deviation over seeds of a figure of the matrix; `None` if a seed lacks it.
    pub fn figure(&self, figure: impl Fn(&ResultMatrix) -> Option<f64>) -> Option<(f64, f64)> {
        let values: Option<Vec<f64>> = self.matrices.iter().map(figure).collect();
        metrics::mean_and_deviation(&values?)
    }

    /// Like [`figure`](Self::figure), for figures of change from task to task: `None` if the tasks
    /// are not learned in sequence.
    pub fn sequential_figure(
        &self,
        figure: impl Fn(&ResultMatrix) -> Option<f64>,
    ) -> Option<(f64, f64)> {
        match self.runs[0].protocol {
            Protocol::Sequential => self.figure(figure),
            Protocol::Independent | Protocol::Joint => None,
        }
    }

    /// Mean matrix over seeds; a score is missing if a seed lacks it.
    pub fn mean_scores(&self) -> Vec<Vec<Option<f64>>> {
        let count = self.matrices[0].task_count();
        let score = |learned, task| Some(self.figure(|m| m.get(learned, task))?.0);
        (0..=count)
            .map(|learned| (0..count).map(|task| score(learned, task)).collect())
            .collect()
    }

    /// Mean and standard deviation over seeds of the general-knowledge probe after the last task.
    pub fn general_after(&self) -> Option<(f64, f64)> {
        self.over_runs(|run| run.general.map(|(_, after)| after))
    }

    /// A figure of the method over all seeds; `None` if one lacks it.
    pub fn method_figure(&self, column: &Figure) -> Option<f64> {
        let of = |run: &RunResult| {
            let figure = run.figures.iter().find(|figure| figure.name == column.name);
            figure.map(|figure| figure.value)
        };
        let values: Option<Vec<f64>> = self.runs.iter().map(of).collect();
        column.combine.over_seeds(&values?)
    }

    /// The same as tables show it, `–` where there is none.
    pub fn method_cell(&self, column: &Figure) -> String {
        let value = self.method_figure(column);
        value.map_or("–".to_string(), |value| column.notation.text(value))
    }

    /// The figures of all methods, each at its first occurrence.
    pub fn columns<'a>(summaries: impl IntoIterator<Item = &'a Self>) -> Vec<&'a Figure> {
        let mut columns: Vec<&Figure> = Vec::new();
        let runs = summaries.into_iter().flat_map(|summary| &summary.runs);
        for figure in runs.flat_map(|run| &run.figures) {
            if !columns.iter().any(|other| other.name == figure.name) {
                columns.push(figure);
            }
        }
        columns
    }

    /// Mean over seeds of the numbers that training could change independently: where rows decide what is protected, it
    /// differs from seed to seed.
    pub fn trainable(&self) -> String {
        let mean = self.over_runs(|run| Some(run.trainable_parameters as f64));
        mean.map_or("–".to_string(), |(mean, _)| format!("{mean:.0}"))
    }

    /// Mean and standard deviation over seeds of a number of a run; `None` if a seed lacks it.
    pub fn over_runs(&self, figure: impl Fn(&RunResult) -> Option<f64>) -> Option<(f64, f64)> {
        let values: Option<Vec<f64>> = self.runs.iter().map(figure).collect();
        metrics::mean_and_deviation(&values?)
    }
}

/// The table of all methods.
pub fn summary_table(summaries: &[Summary], markdown: bool) -> String {
    let mut table = empty_table(markdown);
    let columns = Summary::columns(summaries);
    let header = [
        "method",
        "lr",
        "AA",
        "BWT",
        "FWT",
        "forgetting",
        "learning",
        "general",
        "trainable",
    ];
    let names = columns.iter().map(|figure| figure.name.as_str());
    let seconds = std::iter::once("train + split + calibration s");
    table.set_header(header.into_iter().chain(names).chain(seconds));
    for summary in summaries {
        let number = |value: Option<(f64, f64)>| match value {
            None => "–".to_string(),
            Some((mean, _)) if summary.runs.len() == 1 => format!("{mean:.1}"),
            Some((mean, deviation)) => format!("{mean:.1} ± {deviation:.1}"),
        };
        let before = summary.over_runs(|run| run.general.map(|(before, _)| before));
        let after = summary.general_after();
        let general = match before {
            None => "–".to_string(),
            Some((before, _)) => format!("{before:.1} → {}", number(after)),
        };
        let cells = [
            summary.label(),
            summary.rate(),
            number(summary.figure(metrics::average_accuracy)),
            number(summary.sequential_figure(metrics::backward_transfer)),
            number(summary.sequential_figure(metrics::forward_transfer)),
            number(summary.sequential_figure(metrics::forgetting)),
            number(summary.sequential_figure(metrics::learning_accuracy)),
            general,
            summary.trainable(),
        ];
        let own = columns.iter().map(|figure| summary.method_cell(figure));
        let seconds = std::iter::once(summary.seconds());
        table.add_row(cells.into_iter().chain(own).chain(seconds));
    }
    with_numbers(table)
}

/// The table of a method's mean result matrix.
pub fn matrix_table(summary: &Summary) -> String {
    let tasks = &summary.runs[0].tasks;
    let mut table = empty_table(false);
    let header = std::iter::once("after").chain(tasks.iter().map(String::as_str));
    table.set_header(header);
    for (learned, row) in summary.mean_scores().into_iter().enumerate() {
        let name = match learned {
            0 => "(base)",
            _ => &tasks[learned - 1],
        };
        let scores = row
            .iter()
            .map(|s| s.map_or(String::new(), |s| format!("{s:.1}")));
        table.add_row(std::iter::once(name.to_string()).chain(scores));
    }
    with_numbers(table)
}
