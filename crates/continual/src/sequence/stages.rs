//! The stages of a sequence: single tasks, or all tasks at once.

use std::sync::Arc;

use burn::data::dataset::Dataset;
use burn::data::dataset::transform::ComposedDataset;
use lm::Example;

use crate::protocol::{Protocol, Task};

/// Arranges the tasks in the stages of a protocol.
///
/// The joint protocol has one stage. It contains every row once per epoch of the row's task, so
/// training uses each row exactly as often as separate tasks would. The trainer's shuffle mixes all
/// tasks in proportion to their rows (proportional mixing); no task is capped or repeated further.
///
/// With `validated`, training may end or choose its weights at the end of an epoch: epochs that all tasks have then stay
/// epochs.
pub(super) fn stages(protocol: Protocol, tasks: &[Task], validated: bool) -> Vec<Task> {
    let (Protocol::Joint, [first, ..]) = (protocol, tasks) else {
        return tasks.to_vec();
    };
    let same = tasks.iter().all(|task| task.epochs == first.epochs);
    let epochs = if validated && same { first.epochs } else { 1 };
    let repeated = |task: &Task| vec![task.train.clone(); task.epochs / epochs];
    let validation = tasks.iter().filter_map(|task| task.validation.clone());
    let validation = joined(validation.collect());
    vec![Task {
        name: "all tasks".to_string(),
        train: joined(tasks.iter().flat_map(repeated).collect()),
        validation: (!validation.is_empty()).then_some(validation),
        // The tasks are scored separately; nothing asks these questions.
        evaluation: first.evaluation.clone(),
        epochs,
    }]
}

/// The rows of several data sets, one after the other.
fn joined(parts: Vec<Arc<dyn Dataset<Example>>>) -> Arc<dyn Dataset<Example>> {
    Arc::new(ComposedDataset::new(parts))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::data::dataset::InMemDataset;

    use super::*;
    use crate::protocol::{EvaluationSet, Unscored};
    use crate::trainer::global_batches;

    fn task(word: u32, rows: usize, epochs: usize) -> Task {
        let examples = (0..rows).map(|row| Example::new(vec![word, row as u32], vec![0]));
        Task {
            name: word.to_string(),
            train: Arc::new(InMemDataset::new(examples.collect())),
            validation: None,
            evaluation: EvaluationSet {
                questions: Vec::new(),
                scorer: Arc::new(Unscored),
                max_new_tokens: 1,
            },
            epochs,
        }
    }

    #[test]
    fn the_joint_stage_mixes_all_rows_and_repeats_them_by_their_epochs() {
        let tasks = [task(1, 40, 1), task(2, 10, 6), task(3, 20, 3)];
        // Epochs that differ cannot stay epochs, validated or not.
        let joint = stages(Protocol::Joint, &tasks, true).remove(0);
        let rows: Vec<Example> = joint.train.iter().map(Result::unwrap).collect();
        assert_eq!((joint.epochs, rows.len()), (1, 40 + 60 + 60));
        for task in &tasks {
            for row in 0..task.train.len() {
                let row = task.train.get(row).unwrap();
                let times = rows.iter().filter(|other| **other == row).count();
                assert_eq!(times, task.epochs);
            }
        }
        // A quarter of the steps should contain about a quarter of each task's rows. For 16 of 40
        // or 60 rows drawn without replacement, five standard deviations are about 11 rows.
        let lengths = vec![3; rows.len()];
        let steps = global_batches(&lengths, 8, 5);
        for quarter in steps.chunks(5) {
            for (word, expected) in [(1, 10.0_f64), (2, 15.0), (3, 15.0)] {
                let count = quarter.concat();
                let count = count.iter().filter(|&&row| rows[row].prompt[0] == word);
                let count = count.count() as f64;
                assert!((count - expected).abs() < 11.0, "{word}: {count}");
                assert!(count > 0.0);
            }
        }
    }

    #[test]
    fn other_protocols_keep_the_tasks_unchanged() {
        let tasks = [task(1, 4, 1), task(2, 3, 6)];
        for protocol in [Protocol::Sequential, Protocol::Independent] {
            let stages = stages(protocol, &tasks, true);
            let shape = |task: &Task| (task.name.clone(), task.train.len(), task.epochs);
            assert!(stages.iter().map(shape).eq(tasks.iter().map(shape)));
        }
        assert!(stages(Protocol::Joint, &[], true).is_empty());
    }

    #[test]
    fn the_joint_stage_has_the_epochs_of_its_tasks_where_they_are_validated() {
        let tasks = [task(1, 4, 3), task(2, 3, 3)];
        let shape = |validated: bool| {
            let joint = stages(Protocol::Joint, &tasks, validated).remove(0);
            (joint.train.len(), joint.epochs)
        };
        assert_eq!((shape(true), shape(false)), ((7, 3), (21, 1)));
    }
}
