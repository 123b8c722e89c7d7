//! The stages of a sequence: single tasks, or all tasks at once.

use std::sync::Arc;

use burn::data::dataset::InMemDataset;

use crate::error::ContinualError;
use crate::protocol::{Protocol, Task, read_rows};

/// Arranges the tasks in the stages of a protocol.
///
/// The joint protocol has one stage. It contains every row once per epoch of the row's task, so
/// training uses each row exactly as often as separate tasks would. The trainer's shuffle mixes all
/// tasks in proportion to their rows (proportional mixing); no task is capped or repeated further.
pub(super) fn stages(protocol: Protocol, tasks: &[Task]) -> Result<Vec<Task>, ContinualError> {
    let (Protocol::Joint, [first, ..]) = (protocol, tasks) else {
        return Ok(tasks.to_vec());
    };
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for task in tasks {
        let rows = read_rows(task.train.as_ref())?;
        for _ in 0..task.epochs {
            train.extend(rows.iter().cloned());
        }
        if let Some(rows) = &task.validation {
            validation.extend(read_rows(rows.as_ref())?);
        }
    }
    Ok(vec![Task {
        name: "all tasks".to_string(),
        train: Arc::new(InMemDataset::new(train)),
        validation: match validation.is_empty() {
            true => None,
            false => Some(Arc::new(InMemDataset::new(validation))),
        },
        // The tasks are scored separately; nothing asks these questions.
        evaluation: first.evaluation.clone(),
        epochs: 1,
    }])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::data::dataset::Dataset;
    use lm::Example;

    use super::*;
    use crate::protocol::{EvaluationSet, Unscored};
    use crate::trainer::global_batches;

    fn task(word: u32, rows: usize, epochs: usize) -> Task {
        let examples = (0..rows).map(|row| Example {
            prompt: vec![word, row as u32],
            answer: vec![0],
        });
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
        let joint = stages(Protocol::Joint, &tasks).unwrap().remove(0);
        let rows = read_rows(joint.train.as_ref()).unwrap();
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
            let stages = stages(protocol, &tasks).unwrap();
            let shape = |task: &Task| (task.name.clone(), task.train.len(), task.epochs);
            assert!(stages.iter().map(shape).eq(tasks.iter().map(shape)));
        }
        assert!(stages(Protocol::Joint, &[]).unwrap().is_empty());
    }
}
