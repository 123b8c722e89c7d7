//! Bad input: exit code above 0, one clear line, nothing written.

use std::fs;

use crate::{experiments, fail, repository, scratch};

#[test]
fn settings_that_make_no_sense_are_named() {
    let folder = scratch();
    let cases: [(&[&str], &[&str]); 14] = [
        (&["--set", "colour=red"], &["colour"]),
        (&["--set", "train.learning_rat=1"], &["learning_rat"]),
        (&["--set", "nonsense"], &["key=value"]),
        (
            &["--set", "train.global_batch=0"],
            &["global_batch", "at least 1"],
        ),
        (&["--energy", "1.5"], &["1.5", "[0, 1]"]),
        (
            &["--set", "calibration.base_rows=0"],
            &["osft inputs", "calibration.base_rows"],
        ),
        (&["--calibration-text", "nowhere.txt"], &["nowhere.txt"]),
        (&["--lr", "0"], &["learning_rate"]),
        (&["--order", "3"], &["no order 3"]),
        (&["--order", "stanc"], &["did you mean \"stance\""]),
        (&["--order", "stance,stance"], &["twice"]),
        (&["--model", "nowhere"], &["nowhere", "config.json"]),
        (&["--data", "nowhere"], &["nowhere"]),
        (&["--config", "nowhere.toml"], &["nowhere.toml"]),
    ];
    for (arguments, words) in cases {
        let arguments = [&["trace", "--out", "run"], arguments].concat();
        let error = fail(folder.path(), &arguments);
        assert_eq!(
            error.trim_end().lines().count(),
            1,
            "{arguments:?}: {error}"
        );
        for word in words {
            assert!(
                error.contains(word),
                "{arguments:?} does not say {word}: {error}"
            );
        }
        assert!(
            !folder.path().join("run").exists(),
            "{arguments:?} left a folder"
        );
    }
}

#[test]
fn a_target_that_matches_nothing_stops_before_training() {
    let folder = scratch();
    let targets = [
        "--set",
        "osft.targets=['no_such_layer']",
        "--method",
        "osft",
    ];
    let error = fail(folder.path(), &[&["validate"], &targets[..]].concat());
    assert!(
        error.contains("no_such_layer") && error.contains("q_proj"),
        "{error}"
    );
}

#[test]
fn a_setting_in_a_file_is_reported_with_its_file() {
    let folder = scratch();
    fs::write(folder.path().join("my.toml"), "[train]\nepochz = 3\n").unwrap();
    let error = fail(folder.path(), &["trace", "--config", "my.toml"]);
    assert!(
        error.contains("my.toml") && error.contains("epochz"),
        "{error}"
    );
    fs::write(folder.path().join("my.toml"), "[train\n").unwrap();
    let error = fail(folder.path(), &["trace", "--config", "my.toml"]);
    assert!(
        error.contains("my.toml") && error.contains("line 1"),
        "{error}"
    );
}

#[test]
fn a_backend_that_is_not_there_says_how_to_get_it() {
    let folder = scratch();
    for backend in ["wgpu", "cuda"] {
        let error = fail(folder.path(), &["trace", "--backend", backend]);
        let built = !error.contains("not in this build");
        assert!(
            built || error.contains(&format!("--features {backend}")),
            "{error}"
        );
    }
    let error = fail(folder.path(), &["trace", "--backend", "tpu"]);
    assert!(error.contains("flex") && error.contains("cuda"), "{error}");
}

#[test]
fn results_are_not_overwritten() {
    let folder = scratch();
    fs::create_dir(folder.path().join("run")).unwrap();
    fs::write(folder.path().join("run/notes.txt"), "mine").unwrap();
    let error = fail(folder.path(), &["trace", "--out", "run"]);
    assert!(error.contains("not empty"), "{error}");
    assert_eq!(
        fs::read_to_string(folder.path().join("run/notes.txt")).unwrap(),
        "mine"
    );
}

#[test]
fn broken_models_are_described() {
    let folder = scratch();
    let source = repository().join("datasets/builtin/model");
    let model = folder.path().join("model");
    let copy = || {
        let _ = fs::remove_dir_all(&model);
        fs::create_dir(&model).unwrap();
        for entry in fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
        }
    };
    let expect = |words: &[&str]| {
        let error = fail(folder.path(), &["validate", "--model", "model"]);
        for word in words {
            assert!(error.contains(word), "no {word} in {error}");
        }
    };
    copy();
    fs::remove_file(model.join("model.safetensors")).unwrap();
    expect(&["model.safetensors"]);
    fs::write(model.join("model.safetensors"), "not a tensor file").unwrap();
    expect(&["cannot read weights", "model.safetensors"]);
    copy();
    fs::write(model.join("config.json"), "{\"model_type\": ").unwrap();
    expect(&["config.json", "line 1 column"]);
    copy();
    let config = fs::read_to_string(model.join("config.json")).unwrap();
    let write = |from: &str, to: &str| {
        assert!(config.contains(from), "{config}");
        fs::write(model.join("config.json"), config.replace(from, to)).unwrap();
    };
    write("\"llama\"", "\"bert\"");
    expect(&["model_type", "bert", "llama, mistral"]);
    write("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5");
    expect(&["lacks", "layers.4."]);
    write("\"hidden_size\": 128", "\"hidden_size\": 64");
    expect(&["shape"]);
    copy();
    fs::write(model.join("tokenizer.json"), "{}").unwrap();
    expect(&["tokenizer"]);
}

#[test]
fn usage_errors_exit_with_2_and_help_teaches() {
    let folder = scratch();
    let output = experiments(folder.path()).arg("trase").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("trace"));
    for command in [
        "trace",
        "validate",
        "inspect",
        "report",
        "pretrain",
        "completions",
    ] {
        let output = experiments(folder.path())
            .args([command, "--help"])
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert!(
            help.contains(&format!("experiments {command}")),
            "no example in {help}"
        );
    }
}
