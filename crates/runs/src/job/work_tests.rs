//! The work of a run is counted as by hand.

use benchmarks::{Benchmark, ClBenchmark, Suite};

use super::*;
use crate::registries::Registries;
use crate::settings::Overrides;

fn released_rows(task: &str) -> Option<(usize, usize)> {
    ClBenchmark.released_rows(task)
}

fn released(order: &str, preset: Option<&str>, pairs: &[&str]) -> Work {
    let set: Vec<String> = pairs.iter().map(ToString::to_string).collect();
    let overrides = Overrides {
        preset,
        set: &set,
        ..Overrides::default()
    };
    let config = RunConfig::resolve(&Registries::builtin(), "t5", true, &overrides).unwrap();
    let config = config.with_order(order).unwrap();
    let suite = Suite::cl_benchmark();
    let sizes: Vec<TaskSize> = suite
        .order(order)
        .unwrap()
        .into_iter()
        .map(|task| {
            let (train, questions) = released_rows(&task.name).unwrap();
            TaskSize {
                train,
                epochs: config.epochs_of(&task.name, task.epochs),
                questions,
                labelled: true,
            }
        })
        .collect();
    Work::of(&config, &sizes, 0, Protocol::Sequential)
}

#[test]
fn work_counts_the_answers_of_the_long_order() {
    // Counted by hand: every task is scored before the first task, right before it is learned,
    // and after every task from then on. For the first task, the first two are the same.
    let work = released("6", None, &[]);
    let suite = Suite::cl_benchmark();
    let tasks = suite.order("6").unwrap();
    let rows = |task: &str| released_rows(task).unwrap().1;
    let by_hand: usize = tasks
        .iter()
        .enumerate()
        .map(|(place, task)| rows(&task.name) * (17 - place.max(1)))
        .sum();
    assert_eq!(work.answers(), by_hand);
    assert_eq!(work.answers(), 736_213);
    let final_only = released("6", None, &["scoring='final'"]);
    assert_eq!(final_only.answers(), 2 * 70_861 - rows("WiC"));
}

#[test]
fn questions_that_are_answered_in_two_ways_count_twice() {
    let generated = released("6", None, &[]);
    assert_eq!(generated.likelihoods(), 0);
    let instead = released("6", None, &["label_scores='instead'"]);
    assert_eq!(instead.answers(), generated.answers());
    assert_eq!(instead.likelihoods(), generated.answers());
    let beside = released("6", None, &["label_scores='beside'"]);
    assert_eq!(beside.answers(), 2 * generated.answers());
    assert_eq!(beside.likelihoods(), generated.answers());
    // A task without labels is generated alone, and what is done counts as what is to do.
    let config = |scores: &str| {
        let set = [
            format!("label_scores='{scores}'"),
            "scoring='full'".to_string(),
        ];
        let overrides = Overrides {
            set: &set,
            ..Overrides::default()
        };
        RunConfig::resolve(&Registries::builtin(), "t5", true, &overrides).unwrap()
    };
    let size = |labelled| TaskSize {
        train: 0,
        epochs: 1,
        questions: 10,
        labelled,
    };
    let tasks = [size(true), size(false)];
    for (scores, answers, likelihoods) in [("none", 60, 0), ("beside", 90, 30), ("instead", 60, 30)]
    {
        let work = Work::of(&config(scores), &tasks, 0, Protocol::Sequential);
        assert_eq!((work.answers(), work.likelihoods()), (answers, likelihoods));
        let mut matrix = ResultMatrix::new(vec!["a".into(), "b".into()]);
        (0..3).for_each(|learned| (0..2).for_each(|task| matrix.set(learned, task, 1.0)));
        assert_eq!(work.done(2, 0, &matrix, false, &[]), work.total());
    }
}

#[test]
fn suites_are_counted_between_tasks_and_in_the_end() {
    let config = RunConfig::resolve(&Registries::builtin(), "t5", true, &Overrides::default());
    let size = TaskSize {
        train: 0,
        epochs: 1,
        questions: 10,
        labelled: false,
    };
    let config = config.unwrap();
    for (protocol, rows) in [(Protocol::Sequential, 13), (Protocol::Joint, 7)] {
        let plain = Work::of(&config, &[size; 3], 0, protocol);
        let before = plain.total();
        let work = Work {
            suites: (3, 7),
            ..plain
        };
        assert_eq!(work.total() - before, rows);
    }
    let work = Work {
        suites: (3, 7),
        ..Work::of(&config, &[size; 3], 0, Protocol::Sequential)
    };
    let probed = [1, 2, 3].map(|learned| Probed {
        learned,
        found: serde_json::Value::Null,
    });
    let empty = ResultMatrix::new(vec!["a".into(), "b".into(), "c".into()]);
    assert_eq!(work.done(3, 0, &empty, false, &probed[..2]), 6);
    assert_eq!(work.done(3, 0, &empty, false, &probed), 13);
}

#[test]
fn epochs_override_the_epochs_of_single_tasks() {
    // The preset gives MNLI two epochs in order 6; the suite gives the other tasks one.
    let preset = Some("o-lora");
    let rows = |pairs: &[&str]| released("6", preset, pairs).trained();
    let all = rows(&["epochs=1"]);
    assert_eq!(rows(&[]), all + 3000);
    assert_eq!(rows(&["by_order.6.task_epochs.MNLI=1"]), all);
    assert_eq!(rows(&["epochs=3"]), 3 * all);
    // A step has 64 rows.
    let steps = released("6", preset, &["epochs=3"]).steps();
    let suite = Suite::cl_benchmark();
    let by_hand = suite.order("6").unwrap().into_iter();
    let by_hand = by_hand.map(|task| 3 * released_rows(&task.name).unwrap().0.div_ceil(64));
    assert_eq!(steps, by_hand.sum::<usize>());
}
