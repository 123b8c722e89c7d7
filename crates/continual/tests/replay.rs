//! Experience replay: how many rows are kept, that none is drawn twice, and that they survive.

use std::sync::Arc;

use burn::data::dataset::{Dataset, InMemDataset};
use burn::tensor::Device;
use continual::checkpoint::{Checkpoint, StatePart};
use continual::methods::{Replay, ReplayConfig};
use continual::trainer::TrainConfig;
use continual::{Clock, ContinualError, Method, MethodRegistry, Task, TaskContext};
use lm::{Decoder, Example};
use toml::Table;

use crate::common::*;

/// Tasks whose rows all differ: row `r` of task `t` has the prompt `[t, r]`.
fn numbered(sizes: &[usize]) -> Vec<Task> {
    let template = tasks(&tokenizer()).remove(0);
    let task = |(task, &rows): (usize, &usize)| {
        let row = |row: usize| match row % 2 {
            0 => Example::new(vec![task as u32, row as u32], vec![1]),
            _ => Example::masked(
                vec![task as u32, row as u32, 2, 3],
                &[false, false, true, false],
            ),
        };
        let rows: Vec<Example> = (0..rows).map(row).collect();
        Task {
            name: format!("task {task}"),
            train: Arc::new(InMemDataset::new(rows)),
            ..template.clone()
        }
    };
    sizes.iter().enumerate().map(task).collect()
}

fn replay(share: f64, most_rows: usize) -> Replay {
    Replay::new(ReplayConfig { share, most_rows }, 3).unwrap()
}

/// Ends a task without training.
fn learn(method: &mut Replay, tasks: &[Task], index: usize) {
    let context = TaskContext {
        index,
        count: tasks.len(),
        first: 0,
        task: &tasks[index],
        clock: &Clock::start(),
        optimizer: &TrainConfig::default().optimizer(),
    };
    let model = model(&Device::flex().autodiff());
    method.end_task(model, context).unwrap();
}

fn kept(method: &Replay) -> Vec<Vec<Example>> {
    method.kept().map(|(_, rows)| rows.to_vec()).collect()
}

fn trained_on(method: &Replay, task: &Task) -> Vec<Example> {
    let rows = Method::<Decoder>::rows(method, task).unwrap();
    rows.iter().map(Result::unwrap).collect()
}

fn own(task: &Task) -> Vec<Example> {
    task.train.iter().map(Result::unwrap).collect()
}

#[test]
fn later_tasks_train_on_a_share_of_every_earlier_one() {
    let sizes = [40, 1, 333, 7, 50];
    let tasks = numbered(&sizes);
    let registry = MethodRegistry::<Decoder>::builtin();
    let kind = registry.get("replay").unwrap();
    for (share, most_rows) in [(0.02, 0), (0.1, 0), (0.5, 30), (1.0, 0), (1.0, 4), (0.3, 1)] {
        let case = format!("{share} {most_rows}");
        let settings = format!("share = {share}\nmost_rows = {most_rows}");
        let settings: Table = toml::from_str(&settings).unwrap();
        let counted = kind.rows_per_task(&settings, &sizes).unwrap();
        let mut method = replay(share, most_rows);
        for (index, task) in tasks.iter().enumerate() {
            let rows = trained_on(&method, task);
            assert_eq!(rows.len(), counted[index], "{case}");
            let (first, others) = rows.split_at(sizes[index]);
            assert_eq!(first, own(task), "{case}: its own rows come first");
            assert_eq!(others, kept(&method).concat(), "{case}");

            learn(&mut method, &tasks, index);
            let most = match most_rows {
                0 => usize::MAX,
                most => (most / (index + 1)).max(1),
            };
            for (earlier, rows) in kept(&method).into_iter().enumerate() {
                let exact = share * sizes[earlier] as f64;
                let count = rows.len() as f64;
                let is_share = count >= 1.0 && (count - exact).abs() <= 1.0;
                assert!(is_share || rows.len() == most, "{case}: {count} of {exact}");
                assert!(rows.len() <= most, "{case}: {count}");
                let all = own(&tasks[earlier]);
                let mut places: Vec<usize> = rows
                    .iter()
                    .map(|row| all.iter().position(|other| other == row).unwrap())
                    .collect();
                places.sort_unstable();
                places.dedup();
                assert_eq!(places.len(), rows.len(), "{case}: no row is drawn twice");
            }
        }
    }
}

#[test]
fn every_row_of_a_task_is_as_likely_as_the_others() {
    const DRAWS: u64 = 2000;
    // Five of twenty: drawn at once, or ten that a second task halves.
    for (sizes, share, most_rows) in [(vec![20], 0.25, 0), (vec![20, 20], 0.5, 10)] {
        let tasks = numbered(&sizes);
        let mut counts = [0; 20];
        for seed in 0..DRAWS {
            let mut method = Replay::new(ReplayConfig { share, most_rows }, seed).unwrap();
            (0..tasks.len()).for_each(|index| learn(&mut method, &tasks, index));
            for row in &kept(&method)[0] {
                counts[row.prompt[1] as usize] += 1;
            }
        }
        // A row is kept with probability 1/4: 500 times, with a standard deviation of √(2000 · 3/16) = 19.4; five of
        // them.
        for count in counts {
            assert!((403..=597).contains(&count), "{most_rows}: {counts:?}");
        }
    }
}

#[test]
fn kept_rows_are_the_same_after_a_kill_and_in_a_later_sequence() {
    let tasks = numbered(&[30, 12, 5]);
    let start = model(&Device::flex());
    let mut method = replay(0.2, 0);
    learn(&mut method, &tasks, 0);
    learn(&mut method, &tasks, 1);
    let state: fn(&Replay) -> Vec<StatePart<'_>> = Method::<Decoder>::state;
    for parts in [state, Method::<Decoder>::carried] {
        let folder = tempfile::tempdir().unwrap();
        for part in parts(&method) {
            let path = folder.path().join(part.name());
            part.write_to(&path).unwrap();
        }
        let saved = Checkpoint::of_parts(folder.path());
        let mut restored = replay(0.2, 0);
        restored.restore(&start, &saved).unwrap();
        let mut carried = replay(0.2, 0).with_vocabulary(30);
        carried.take_over(&start, &saved).unwrap();
        for other in [&restored, &carried] {
            assert_eq!(kept(other), kept(&method));
            assert_eq!(trained_on(other, &tasks[2]), trained_on(&method, &tasks[2]));
        }
        // One of the kept rows has a token that a smaller vocabulary lacks.
        let mut smaller = replay(0.2, 0).with_vocabulary(5);
        let error = smaller.take_over(&start, &saved).unwrap_err();
        assert!(
            matches!(error, ContinualError::BrokenCheckpoint { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("has 5 tokens"), "{error}");
    }
}

#[test]
fn replay_forgets_less_than_fine_tuning() {
    let (_, device) = backends().remove(1);
    let settings = config(TrainConfig::default());
    let last = |share: f64| {
        let (outcome, steps) = run(&device, &mut replay(share, 0), &settings);
        (outcome.matrix.get(2, 0).unwrap(), steps.len())
    };
    // Forty rows a task, eight a step, eight epochs: one kept row makes six steps an epoch of five, and so do eight.
    let ((little, fewer), (much, more)) = (last(0.001), last(0.2));
    assert_eq!((fewer, more), (40 + 48, 40 + 48));
    assert!(much > little, "{little} {much}");
}

#[test]
fn a_share_out_of_range_is_refused() {
    let kind = MethodRegistry::<Decoder>::builtin();
    let kind = kind.get("replay").unwrap();
    for share in ["0.0", "1.5", "nan", "-0.1"] {
        let settings: Table = toml::from_str(&format!("share = {share}")).unwrap();
        let error = kind.settings(&settings).unwrap_err().to_string();
        assert!(error.contains("share = "), "{error}");
    }
    let flags = kind.flags();
    let share = flags.iter().find(|flag| flag.name == "replay-share");
    assert_eq!(share.unwrap().read("0.1").unwrap().as_float(), Some(0.1));
    assert!(share.unwrap().read("a tenth").is_err());
}
