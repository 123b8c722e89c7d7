//! Scores by the likelihood of labels, beside or in place of those of generated answers.

use std::fmt::Write;

use continual::{Protocol, ResultMatrix, metrics};

use super::Summary;
use super::table::{empty_table, with_numbers};
use crate::record::RunResult;

/// AA and BWT of one run in two ways, over the tasks that have labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelFigures {
    /// Number of these tasks.
    pub tasks: usize,
    /// AA of the generated answers.
    pub generated_accuracy: f64,
    /// AA of the likeliest labels.
    pub likely_accuracy: f64,
    /// BWT of the generated answers; `None` if tasks are not learned in sequence, or none of these before the last.
    pub generated_transfer: Option<f64>,
    /// BWT of the likeliest labels.
    pub likely_transfer: Option<f64>,
}

impl LabelFigures {
    /// The figures of a run; `None` if labels were not scored beside generated answers.
    pub fn of(run: &RunResult) -> Option<Self> {
        // A result that was read or made has matrices of the right size.
        let likely = run.label_matrix().ok()??;
        let generated = run.matrix().ok()?;
        let last = likely.task_count();
        let tasks: Vec<usize> = (0..last)
            .filter(|&task| likely.get(last, task).is_some())
            .collect();
        let transfer = |matrix: &ResultMatrix| match run.protocol {
            Protocol::Sequential => metrics::backward_transfer_over(matrix, &tasks),
            Protocol::Independent | Protocol::Joint => None,
        };
        Some(Self {
            tasks: tasks.len(),
            generated_accuracy: metrics::average_accuracy_over(&generated, &tasks)?,
            likely_accuracy: metrics::average_accuracy_over(&likely, &tasks)?,
            generated_transfer: transfer(&generated),
            likely_transfer: transfer(&likely),
        })
    }

    /// The part of what the generated answers lost that the likeliest labels did not lose, in points: the model writes
    /// these labels no more, but still prefers the right ones.
    pub fn lost_as_format(&self) -> Option<f64> {
        Some(self.likely_transfer? - self.generated_transfer?)
    }
}

/// The section of a report on scores by likelihood, with a heading or a sentence before its table; `None` if no result
/// has such scores.
pub fn likelihood_section<'a>(
    summaries: impl IntoIterator<Item = &'a Summary> + Clone,
) -> Option<String> {
    let mut section = String::new();
    if let Some(note) = likelihood_note(summaries.clone()) {
        section.push_str(&note);
        section.push_str("\n\n");
    }
    if let Some(table) = likelihood_table(summaries, true) {
        // Writing to a string cannot fail.
        let _ = write!(
            section,
            "Answers to tasks with a list of labels, generated and chosen by likelihood. AA and BWT are over these tasks \
             alone. The likelihood of a label is the probability of its tokens and of the end of the answer behind the \
             prompt. Lost as format: BWT by likelihood minus BWT generated, the points that the model lost because it \
             writes the labels no more, although it still prefers the right ones.\n\n{table}\n\n"
        );
    }
    (!section.is_empty()).then_some(section)
}

/// A sentence on the tasks whose scores in the result matrix are by likelihood; `None` if there is none.
pub fn likelihood_note<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> Option<String> {
    let (mut tasks, mut all) = (Vec::new(), true);
    for run in summaries.into_iter().flat_map(|summary| &summary.runs) {
        all &= !run.by_likelihood.is_empty();
        for task in &run.by_likelihood {
            if !tasks.contains(&task.as_str()) {
                tasks.push(task.as_str());
            }
        }
    }
    (!tasks.is_empty()).then(|| {
        format!(
            "{} of {} are not those of generated answers: the likeliest of the task's labels is taken as the answer.{}",
            match all {
                true => "The scores",
                false => "In some of the runs, the scores",
            },
            tasks.join(", "),
            match all {
                true => "",
                false => " Such runs cannot be compared with the others.",
            }
        )
    })
}

/// A table of AA and BWT of generated answers and of the likeliest labels, means over seeds; `None` if no result has
/// both.
pub fn likelihood_table<'a>(
    summaries: impl IntoIterator<Item = &'a Summary>,
    markdown: bool,
) -> Option<String> {
    let mut table = empty_table(markdown);
    table.set_header([
        "method",
        "tasks",
        "AA generated",
        "AA by likelihood",
        "BWT generated",
        "BWT by likelihood",
        "lost as format",
    ]);
    let mut rows = 0;
    for summary in summaries {
        let figures = summary.runs.iter().map(LabelFigures::of);
        let Some(figures) = figures.collect::<Option<Vec<_>>>() else {
            continue;
        };
        let shown = |figure: fn(&LabelFigures) -> Option<f64>| {
            let values: Option<Vec<f64>> = figures.iter().map(figure).collect();
            let found = values.and_then(|values| metrics::mean_and_deviation(&values));
            match found {
                None => "–".to_string(),
                Some((mean, _)) if figures.len() == 1 => format!("{mean:.1}"),
                Some((mean, deviation)) => format!("{mean:.1} ± {deviation:.1}"),
            }
        };
        rows += 1;
        table.add_row([
            summary.label(),
            figures[0].tasks.to_string(),
            shown(|figures| Some(figures.generated_accuracy)),
            shown(|figures| Some(figures.likely_accuracy)),
            shown(|figures| figures.generated_transfer),
            shown(|figures| figures.likely_transfer),
            shown(LabelFigures::lost_as_format),
        ]);
    }
    (rows > 0).then(|| with_numbers(table))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::page::summarize;

    /// Three tasks, of which the second has no labels; `beside` and `instead` as a result file has them.
    fn run(seed: u64, beside: bool, instead: &[&str], protocol: &str) -> RunResult {
        let none = None::<f64>;
        let mut json = serde_json::json!({
            "method": "m", "seed": seed, "learning_rate": 1e-3, "protocol": protocol,
            "tasks": ["a", "b", "c"],
            "scores": [
                [none, none, none],
                [80.0, none, none],
                [none, 60.0, none],
                [20.0, 10.0, 90.0],
            ],
            "by_likelihood": instead,
            "general": null, "trainable_parameters": 1, "training_seconds": 1.0,
        });
        if beside {
            json["label_scores"] = serde_json::json!([
                [none, none, none],
                [85.0, none, none],
                [none, none, none],
                [70.0, none, 95.0],
            ]);
        }
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn figures_are_over_the_tasks_with_labels_and_follow_by_hand() {
        let figures = LabelFigures::of(&run(0, true, &[], "sequential")).unwrap();
        let expected = LabelFigures {
            tasks: 2,
            generated_accuracy: (20.0 + 90.0) / 2.0,
            likely_accuracy: (70.0 + 95.0) / 2.0,
            generated_transfer: Some(20.0 - 80.0),
            likely_transfer: Some(70.0 - 85.0),
        };
        assert_eq!(figures, expected);
        assert_eq!(figures.lost_as_format(), Some(45.0));
        assert_eq!(LabelFigures::of(&run(0, false, &[], "sequential")), None);
        let mut torn = run(0, true, &[], "sequential");
        torn.label_scores.pop();
        let error = torn.label_matrix().unwrap_err().to_string();
        assert!(
            error.contains("does not hold 4 rows of 3 scores"),
            "{error}"
        );
        let joint = LabelFigures::of(&run(0, true, &[], "joint")).unwrap();
        assert_eq!((joint.tasks, joint.lost_as_format()), (2, None));
    }

    #[test]
    fn tables_and_notes_say_how_answers_were_chosen() {
        let of = |runs: &[RunResult]| summarize(runs).unwrap();
        let plain = of(&[run(0, false, &[], "sequential")]);
        assert_eq!(likelihood_section(&plain), None);
        let beside = of(&[
            run(0, true, &[], "sequential"),
            run(1, true, &[], "sequential"),
        ]);
        let section = likelihood_section(&beside).unwrap();
        let row: Vec<&str> = section
            .lines()
            .rfind(|line| line.starts_with("| m"))
            .unwrap()
            .split('|')
            .map(str::trim)
            .collect();
        let expected = [
            "m",
            "2",
            "55.0 ± 0.0",
            "82.5 ± 0.0",
            "-60.0 ± 0.0",
            "-15.0 ± 0.0",
            "45.0 ± 0.0",
        ];
        assert_eq!(row[1..8], expected);
        // One seed without the scores by likelihood: there is no mean.
        let mixed = of(&[
            run(0, true, &[], "sequential"),
            run(1, false, &[], "sequential"),
        ]);
        assert_eq!(likelihood_table(&mixed, true), None);
        let instead = of(&[run(0, false, &["a", "c"], "sequential")]);
        let note = likelihood_section(&instead).unwrap();
        assert!(
            note.starts_with("The scores of a, c are not those of generated answers"),
            "{note}"
        );
        let other = of(&[
            run(0, false, &["a"], "sequential"),
            run(1, false, &[], "sequential"),
        ]);
        let note = likelihood_note(&other).unwrap();
        assert!(
            note.contains("cannot be compared with the others"),
            "{note}"
        );
    }
}
