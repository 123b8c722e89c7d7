//! `osft plan`: what it counts, against what a run takes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use burn::tensor::Device;
use lm::{ExportPrecision, HfFolder, Model, Pretrained};
use serde_json::{Value, json};

use crate::{jsonl, model, osft, repository, rows, run, said, succeed, text};

/// A model folder without weights: the files of another one, with this configuration.
fn without_weights(folder: &Path, from: &Path, config: &Value) {
    std::fs::create_dir_all(folder).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && !name.contains("safetensors") {
            std::fs::copy(&path, folder.join(name)).unwrap();
        }
    }
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

/// A model with random weights: the configuration of a built-in one with some keys replaced, its tokenizer.
fn random(folder: &Path, from: &Path, changes: &Value) -> String {
    let config = std::fs::read(from.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    without_weights(folder, from, &config);
    let device = Device::flex();
    let shape = HfFolder::open(folder).unwrap();
    let module = Model::from_config(shape.config(), folder, &device).unwrap();
    let out = folder.join("model");
    shape.export(&module, &out, ExportPrecision::F32).unwrap();
    text(&out)
}

/// Runs `osft` and returns the peak of its resident memory in MB.
fn peak(program: &mut Command, arguments: &[&str]) -> f64 {
    let mut child = program
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut kibibytes = 0.0_f64;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        kibibytes = kibibytes.max(now.unwrap_or(0.0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success(), "{arguments:?}");
    kibibytes * 1024.0 / 1e6
}

/// The peak that a plan says, in MB.
fn planned(plan: &str) -> f64 {
    let line = plan.lines().find(|line| line.starts_with("peak:")).unwrap();
    let mut words = line.split_whitespace().skip(1);
    let number: f64 = words.next().unwrap().parse().unwrap();
    match words.next().unwrap().trim_end_matches(',') {
        "GB" => 1000.0 * number,
        _ => number,
    }
}

#[test]
fn memory_of_a_wide_model_is_within_15_percent_of_what_a_run_takes() {
    let changes = json!({"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 6,
                         "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": null});
    memory_is_within_15_percent("wide", &model(), &changes);
}

#[test]
fn memory_of_a_deep_model_is_within_15_percent_of_what_a_run_takes() {
    let changes = json!({"hidden_size": 320, "intermediate_size": 1280, "num_hidden_layers": 14,
                         "num_attention_heads": 5, "num_key_value_heads": 5, "head_dim": null});
    memory_is_within_15_percent("deep", &model(), &changes);
}

#[test]
fn memory_of_an_encoder_decoder_is_within_15_percent_of_what_a_run_takes() {
    let t5 = repository().join("datasets/builtin/t5-model");
    let changes = json!({"d_model": 384, "d_kv": 64, "num_heads": 6, "d_ff": 1536, "num_layers": 6,
                         "num_decoder_layers": 6});
    memory_is_within_15_percent("encoder", &t5, &changes);
}

/// A plan's peak is within 15 % of the run's, by every method: of two families, with and without tied embeddings.
fn memory_is_within_15_percent(name: &str, from: &Path, changes: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 32));
    let model = random(&folder.path().join(name), from, changes);
    for method in ["osft", "seqft", "lora"] {
        let out = text(&folder.path().join(format!("{name}-{method}")));
        let mut shared = vec![
            "--model",
            &model,
            "--data",
            &data,
            "--valid",
            "none",
            "--method",
            method,
            "--epochs",
            "1",
            "--max-length",
            "96",
            "--questions",
            "0",
        ];
        let mut program = osft();
        if method == "osft" {
            // Freed blocks go back to the system: how many a split leaves between others differs from machine to
            // machine, and these models are so small that it counts.
            program.env("MALLOC_MMAP_THRESHOLD_", "1048576");
            // A typed share: where the rows decide it, a plan can only assume one. After the check of the rows, a plan
            // also counts blocks that stay between others.
            shared.extend([
                "--unfreeze-ratio",
                "0.75",
                "--set",
                "calibration.base_rows=16",
                "--set",
                "calibration.base_tokens=16",
                "--set",
                "calibration.held_out=false",
            ]);
        }
        let plan = succeed(&[&["plan", "--no-probe"], &shared[..]].concat());
        let plan = planned(&plan);
        let peak = peak(
            &mut program,
            &[&["finetune", "--out", &out], &shared[..]].concat(),
        );
        let ratio = plan / peak;
        println!("{name} {method}: planned {plan:.0} MB, took {peak:.0} MB: {ratio:.2}");
        assert!(
            (0.85..1.15).contains(&ratio),
            "{name} {method}: {plan:.0} for {peak:.0} MB"
        );
    }
}

#[test]
fn a_plan_names_parts_time_and_what_needs_less_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 32));
    let model = text(&model());
    let plan = succeed(&[
        "plan",
        "--model",
        &model,
        "--data",
        &data,
        "--max-length",
        "96",
    ]);
    for part in [
        "memory by phase",
        "generating text to calibrate on",
        "training",
        "measuring and writing",
        "moments of the optimizer",
        "bases, cores and adapters",
        "disk",
        "it fits",
        "what needs less:",
        "--method lora",
        "time, after a short probe",
        "in all",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let without = succeed(&[
        "plan",
        "--model",
        &model,
        "--data",
        &data,
        "--max-length",
        "96",
        "--no-probe",
    ]);
    assert!(without.contains("not probed (--no-probe)"), "{without}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(crate::model()).unwrap().count(), 5);

    let output = run(&["plan", "--model", &model, "--data", "nowhere.jsonl"]);
    assert!(!output.status.success() && said(&output).contains("nowhere.jsonl"));
}

/// A model of 7 billion parameters is counted from its configuration alone: no weight is read, and none is made.
#[test]
fn a_model_of_7_billion_parameters_is_planned_from_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 32));
    let large = folder.path().join("large");
    let config = json!({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 32000,
        "max_position_embeddings": 4096, "bos_token_id": 1, "eos_token_id": 2});
    without_weights(&large, &model(), &config);
    let large = text(&large);
    let arguments = [
        "plan",
        "--model",
        &large,
        "--data",
        &data,
        "--unfreeze-ratio",
        "0.2",
        "--valid",
        "none",
        "--no-probe",
    ];
    let took = peak(&mut osft(), &arguments);
    assert!(took < 500.0, "{took} MB to plan");
    let plan = succeed(&arguments);
    // 6.74 billion weights in f32 are 27 GB.
    assert!(plan.contains("27.0 GB"), "{plan}");
    let peak_of_plan = planned(&plan);
    assert!((30_000.0..90_000.0).contains(&peak_of_plan), "{plan}");
    // Most of it is the check of the rows, which can be left out.
    assert!(plan.contains("--set calibration.held_out=false"), "{plan}");
    let adapters = succeed(&[
        "plan",
        "--model",
        &large,
        "--data",
        &data,
        "--method",
        "lora",
        "--valid",
        "none",
        "--no-probe",
    ]);
    assert!(
        !adapters.contains("split") && planned(&adapters) < 60_000.0,
        "{adapters}"
    );
}

/// What stands in a file or a pair is not replaced by a default, and options of a method go to the method that is named
/// there.
#[test]
fn settings_of_files_and_pairs_hold_beside_options() {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 16));
    let settings = folder.path().join("settings.toml");
    std::fs::write(
        &settings,
        "compare = [\"lora\"]\nepochs = 1\n[rows]\nquestions = 2\nvalid = \"none\"\n",
    )
    .unwrap();
    let (settings, out) = (text(&settings), text(&folder.path().join("out")));
    let model = text(&model());
    let arguments = [
        "finetune",
        "--model",
        &model,
        "--data",
        &data,
        "--out",
        &out,
        "--config",
        &settings,
        "--lr",
        "0.0123",
        "--max-length",
        "96",
        "--set",
        "rows.max_new_tokens=3",
    ];
    let output = run(&[&arguments[..], &["--unfreeze-ratio", "0.5"]].concat());
    assert!(
        said(&output).contains("and not of lora"),
        "{}",
        said(&output)
    );
    succeed(&arguments);
    let written = std::fs::read_to_string(Path::new(&out).join("osft/config.toml")).unwrap();
    for line in [
        "lora = 0.0123",
        "questions = 2",
        "valid = \"none\"",
        "max_new_tokens = 3",
        "epochs = 1",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
}

#[test]
fn a_share_that_is_typed_reaches_the_split_of_a_method_with_more_parts() {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 16));
    let (model, out) = (text(&model()), text(&folder.path().join("out")));
    let arguments = [
        "finetune",
        "--model",
        &model,
        "--data",
        &data,
        "--out",
        &out,
        "--max-length",
        "96",
        "--method",
        "osft-lwf",
        "--energy",
        "0.8",
        "--set",
        "epochs=1",
        "--set",
        "methods.osft-lwf.term={rows=4,tokens=8,rows_per_step=1}",
        "--set",
        "rows.questions=2",
    ];
    succeed(&arguments);
    let written = std::fs::read_to_string(Path::new(&out).join("osft/config.toml")).unwrap();
    let written: toml::Table = toml::from_str(&written).unwrap();
    let settings = &written["methods"]["osft-lwf"];
    let share = settings["osft"]["protected_share"]["energy"].as_float();
    assert_eq!(share, Some(0.8), "{settings}");
    assert_eq!(settings["term"]["rows_per_step"].as_integer(), Some(1));
}
