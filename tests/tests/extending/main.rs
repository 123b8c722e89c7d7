//! A program of somebody else's: its own method, benchmark, score and rule through the command line's
//! registries, and its own family of models. `docs/extending.md` shows these files.

#![allow(clippy::unwrap_used, missing_docs)]

mod benchmark;
mod method;
mod program;
mod score;
mod share_rule;
mod tiny;

use std::fs;
use std::path::Path;

use burn::module::Module as _;
use burn::tensor::Device;
use integration_tests::repository;
use lm::{Decoder, Example, ExportPrecision, HfFolder, LanguageModel as _, Pretrained as _, T5};
use serde_json::{Value, json};

use program::experiments;
use tiny::Tiny;

lm::families! {
    pub enum Model { Decoder(Decoder), T5(T5), Tiny(Tiny) }
}

/// Rows of the benchmark's tasks, in TRACE's layout.
fn write_rows(folder: &Path) {
    let colours = [
        ["red", "rot"],
        ["blue", "blau"],
        ["green", "grün"],
        ["black", "schwarz"],
    ];
    for (place, language) in ["english", "german"].into_iter().enumerate() {
        let task = folder.join(language);
        fs::create_dir_all(&task).unwrap();
        for (start, file) in [(0, "train"), (1, "eval"), (2, "test")] {
            let rows: Vec<Value> = (0..8)
                .map(|row| {
                    let colour = colours[(row + start) % 4];
                    let prompt = format!("{file} {row}: the colour {} is called", colour[0]);
                    json!({"prompt": prompt, "answer": colour[place]})
                })
                .collect();
            fs::write(task.join(format!("{file}.json")), json!(rows).to_string()).unwrap();
        }
    }
}

fn result(run: &Path, method: &str) -> Value {
    let entries = fs::read_dir(run).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let file = names
        .filter(|name| name.starts_with(&format!("result-{method}-")))
        .find(|name| name.ends_with(".json"));
    let text = fs::read_to_string(run.join(file.unwrap())).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_is_added_is_run_by_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, out) = (scratch.path().join("colours"), scratch.path().join("run"));
    write_rows(&data);
    let model = repository().join("datasets/builtin/model");
    let arguments = [
        "colours",
        "--data",
        data.to_str().unwrap(),
        "--model",
        model.to_str().unwrap(),
        "--method",
        "growing-decay,osft-paper,osft",
        "--set",
        "methods.growing-decay.per_task=0.5",
        "--osft-split",
        "weights",
        "--share",
        "1/4",
        "--epochs",
        "1",
        "--max-length",
        "64",
        "--set",
        "calibration.base_rows=4",
        "--set",
        "calibration.base_tokens=8",
        "--set",
        "calibration.save=false",
        "--out",
        out.to_str().unwrap(),
    ];
    assert_eq!(
        format!("{:?}", experiments(&arguments)),
        format!("{:?}", std::process::ExitCode::SUCCESS)
    );
    let own = result(&out, "growing-decay");
    assert_eq!(own["tasks"], json!(["english", "german"]));
    assert_eq!(
        own["identity"]["settings"]["growing_decay"],
        json!({"per_task": 0.5})
    );
    let split = result(&out, "osft-weights-core-one_of-4");
    let share = &split["identity"]["settings"]["osft"]["protected_share"];
    assert_eq!(*share, json!({"one_of": 4}));
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    for name in [
        "Colours",
        "| growing-decay ",
        "| osft weights core one_of 4 ",
    ] {
        assert!(page.contains(name), "no {name} in:\n{page}");
    }
    // A quarter of the 128 or 384 directions of each layer.
    let layers = fs::read_dir(&out).unwrap().flatten();
    let mut layers = layers.map(|entry| entry.file_name().into_string().unwrap());
    let file = layers.find(|name| name.starts_with("layers-osft-weights-core-one_of-4"));
    let csv = fs::read_to_string(out.join(file.unwrap())).unwrap();
    let row: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    let [d_in, k_in] = [2, 4].map(|column| row[column].parse::<usize>().unwrap());
    assert_eq!(k_in, d_in / 4, "{row:?}");
}

#[test]
fn a_suite_may_be_scored_by_an_added_score() {
    let scratch = tempfile::tempdir().unwrap();
    write_rows(scratch.path());
    let task = json!({"name": "german", "score": "beginning", "max_new_tokens": 4});
    let suite = json!({"name": "mine", "tasks": [task], "orders": [["german"]]});
    fs::write(scratch.path().join("suite.json"), suite.to_string()).unwrap();
    let benchmarks = program::registries().benchmarks;
    let suite = benchmarks.open(scratch.path()).unwrap();
    let scores = suite.tasks[0]
        .score
        .task_score(&["?"], &["schwer"], &["schwarz"]);
    assert!((scores - 400.0 / 7.0).abs() < 1e-9, "{scores}");
}

#[test]
fn a_family_of_its_own_is_read_and_written() {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    let config = json!({"model_type": "tiny", "width": 8, "vocab_size": 16});
    fs::write(source.join("config.json"), config.to_string()).unwrap();
    let device = Device::flex();
    let folder = HfFolder::open_for::<Model>(&source).unwrap();
    let model = Model::from_config(folder.config(), &source, &device).unwrap();
    assert!(matches!(model, Model::Tiny(_)));
    let out = scratch.path().join("out");
    folder.export(&model, &out, ExportPrecision::F32).unwrap();
    let read = HfFolder::open_for::<Model>(&out).unwrap();
    let read = read.load::<Model>(&device).unwrap().model;
    assert_eq!(read.num_params(), model.num_params());
    let example = Example::new(vec![1, 2, 3], vec![4, 5]);
    let loss = |model: &Model| {
        let (loss, _) = model.answer_loss(std::slice::from_ref(&example));
        loss.into_scalar::<f32>()
    };
    assert_eq!(loss(&read), loss(&model));
    // Models of the toolkit do not know it.
    let unknown = lm::Model::from_config(folder.config(), &source, &device);
    let error = unknown.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("tiny") && error.contains("llama"), "{error}");
}

/// What the guide shows is what is compiled and run here, and every block is short.
#[test]
fn the_guide_shows_these_files() {
    let page = |name: &str| fs::read_to_string(repository().join("docs").join(name)).unwrap();
    let guide = page("extending.md") + &page("model-families.md");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extending");
    let mut blocks: Vec<&str> = guide.split("```rust\n").skip(1).collect();
    for block in &mut blocks {
        *block = block.split("```").next().unwrap();
        assert!(block.lines().count() <= 40, "too long:\n{block}");
    }
    let files = [
        "method.rs",
        "benchmark.rs",
        "score.rs",
        "share_rule.rs",
        "program.rs",
        "tiny/mod.rs",
        "main.rs",
    ];
    assert_eq!(blocks.len(), files.len());
    for (block, file) in blocks.into_iter().zip(files) {
        let text = fs::read_to_string(here.join(file)).unwrap();
        assert!(text.contains(block), "{file} does not hold:\n{block}");
    }
}
