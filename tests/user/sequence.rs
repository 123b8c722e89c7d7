//! Two tasks, one after the other, through `osft finetune`: as one run of `experiments trace`.

use std::ffi::OsString;
use std::path::Path;

use runs::Registries;
use serde_json::{Value, json};

use crate::{jsonl, largest_difference, model, rows, succeed, text};

/// Settings that both commands share.
const SHARED: [&str; 10] = [
    "epochs=2",
    "max_length=96",
    "evaluation_batch=16",
    "train.global_batch=8",
    "train.micro_batch=8",
    "train.max_tokens=0",
    "learning_rates.osft=1e-3",
    "calibration.base_rows=24",
    "calibration.base_tokens=24",
    "calibration.rows_per_task=24",
];

const TASKS: [&str; 2] = ["tone", "choice"];

fn with_settings(arguments: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    for setting in SHARED {
        all.extend(["--set".to_string(), setting.to_string()]);
    }
    all
}

/// A suite of the two tasks, with the training rows given.
fn suite(folder: &Path, train: &[Vec<Value>]) {
    let tasks =
        TASKS.map(|name| json!({"name": name, "score": "exact_match", "max_new_tokens": 4}));
    let description = json!({"name": "two", "tasks": tasks, "orders": [TASKS]});
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("suite.json"), description.to_string()).unwrap();
    for (task, train) in TASKS.iter().zip(train) {
        std::fs::create_dir_all(folder.join(task)).unwrap();
        let held_out = rows(task, "test", 4);
        for (split, rows) in [("train", train), ("eval", &held_out), ("test", &held_out)] {
            let file = folder.join(task).join(format!("{split}.json"));
            std::fs::write(file, Value::from(rows.clone()).to_string()).unwrap();
        }
    }
}

/// Learns both tasks by `osft finetune`; returns the folder of the last model.
fn by_finetune(folder: &Path, train: &[Vec<Value>], more: &[&str]) -> std::path::PathBuf {
    let mut from = model();
    for (task, train) in TASKS.iter().zip(train) {
        let data = jsonl(folder, &format!("{task}.jsonl"), train);
        let valid = jsonl(
            folder,
            &format!("{task}-valid.jsonl"),
            &rows(task, "test", 12),
        );
        let out = folder.join(format!("{}-{task}", more.join("")));
        let (model, to) = (text(&from), text(&out));
        let mut arguments = with_settings(&["finetune", "--model", &model, "--data", &data]);
        arguments.extend(["--valid", &valid, "--out", &to].map(str::to_string));
        arguments.extend(["--max-new-tokens", "6", "--no-packing"].map(str::to_string));
        arguments.extend(more.iter().map(ToString::to_string));
        succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        from = out;
    }
    from
}

fn state(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("osft/state.json")).unwrap()).unwrap()
}

#[test]
fn two_runs_of_finetune_are_one_run_of_trace_and_protect_the_first_task() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let train: Vec<Vec<Value>> = TASKS.iter().map(|task| rows(task, "train", 48)).collect();
    let taught = by_finetune(folder, &train, &[]);

    let (data, out) = (folder.join("suite"), folder.join("trace"));
    suite(&data, &train);
    let (model, data, to) = (text(&model()), text(&data), text(&out));
    let arguments = with_settings(&[
        "experiments",
        "trace",
        "--model",
        &model,
        "--data",
        &data,
        "--method",
        "osft",
        "--out",
        &to,
        "--save-model",
        "--set",
        "scoring='final'",
        // As they are: `osft finetune` leaves no row out either.
        "--set",
        "flaws='keep'",
    ]);
    let arguments = arguments.into_iter().map(OsString::from);
    let code = experiments::run(&Registries::builtin(), arguments);
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::SUCCESS)
    );
    let models: Vec<_> = std::fs::read_dir(out.join("models")).unwrap().collect();
    assert_eq!(models.len(), 1);
    let traced = models[0].as_ref().unwrap().path();
    // The promise is 1e-6; on one processor there is no reason for any difference.
    assert_eq!(largest_difference(&taught, &traced), 0.0);

    // Without protection, the first task is lost to the second.
    let unprotected = by_finetune(
        folder,
        &train,
        &[
            "--unfreeze-ratio",
            "1",
            "--set",
            "methods.osft.max_output_change=none",
        ],
    );
    let loss_of_first = |folder: &Path| {
        let card = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let row = card
            .lines()
            .find(|line| line.starts_with("| tone "))
            .unwrap();
        let cell = |index: usize| {
            row.split('|')
                .nth(index)
                .unwrap()
                .trim()
                .parse::<f64>()
                .unwrap()
        };
        (cell(2), cell(3))
    };
    let (before, protected) = loss_of_first(&taught);
    let (before_unprotected, lost) = loss_of_first(&unprotected);
    assert!(
        protected - before < 0.5 * (lost - before_unprotected),
        "protected {before} to {protected}, unprotected {before_unprotected} to {lost}"
    );
    let tasks = state(&taught)["tasks"].as_array().unwrap().len();
    assert_eq!(tasks, 2);
    assert!(taught.join("osft/held-out/1.jsonl").is_file());
}
