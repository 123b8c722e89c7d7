//! Bad input: exit code above 0, one clear line, nothing written.

use std::fs;

use crate::{experiments, fail, fail_before_writing, scratch};

#[test]
fn settings_that_make_no_sense_are_named() {
    let folder = scratch();
    fs::write(folder.path().join("empty.txt"), "\n  \n").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let cases: [(&[&str], &[&str]); 33] = [
        (&["--set", "colour=red"], &["colour"]),
        (&["--set", "train.learning_rat=1"], &["learning_rat"]),
        (&["--set", "nonsense"], &["key=value"]),
        (
            &["--set", "train.global_batch=0"],
            &["global_batch", "at least 1"],
        ),
        (&["--set", "train.global_batch=-3"], &["global_batch"]),
        (&["--set", "train.micro_batch=0"], &["micro_batch"]),
        (&["--set", "train.beta_2=1.5"], &["beta_2", "1.5"]),
        (&["--set", "train.warmup_share=2"], &["warmup_share"]),
        (
            &["--set", "train.schedule=stepwise"],
            &["stepwise", "cosine"],
        ),
        (
            &["--set", "train.validation.patience=2"],
            &["validation.every_epochs"],
        ),
        (
            &["--set", "methods.osft.protected_share={ fixed = 1.5 }"],
            &["1.5", "[0, 1]"],
        ),
        (
            &["--set", "methods.osft.protected_share={ fixed = -0.1 }"],
            &["-0.1", "[0, 1]"],
        ),
        (
            &["--set", "methods.osft.protected_share={ fixed = nan }"],
            &["NaN", "[0, 1]"],
        ),
        (&["--energy", "1.5"], &["1.5", "[0, 1]"]),
        (&["--energy=-1"], &["-1", "[0, 1]"]),
        (
            &["--set", "calibration.base_rows=0"],
            &["osft inputs", "calibration.base_rows"],
        ),
        (&["--calibration-text", "nowhere.txt"], &["nowhere.txt"]),
        (
            &["--calibration-text", "empty.txt"],
            &["empty.txt", "no line"],
        ),
        (&["--calibration-text", "folder"], &["folder", "directory"]),
        (&["--set", "decoding.temperature=-1"], &["temperature"]),
        (
            &["--set", "checkpoints.every_minutes=-1"],
            &["every_minutes"],
        ),
        (
            &["--set", "task_epochs={ stanse = 2 }"],
            &["stanse", "built-in suite"],
        ),
        (&["--set", "flaws=ignore"], &["ignore", "repair"]),
        (&["--lr", "0"], &["learning_rate"]),
        (&["--lr", "nan"], &["learning_rate", "NaN"]),
        (&["--max-length", "2"], &["max_length", "at least 8"]),
        (&["--order", "3"], &["no order 3"]),
        (&["--order", ""], &["no task \"\""]),
        (&["--order", "stanc"], &["did you mean \"stance\""]),
        (&["--order", "stance,stance"], &["twice"]),
        (&["--config", "nowhere.toml"], &["nowhere.toml"]),
        (&["--config", "folder"], &["folder", "directory"]),
        (
            &["--preset", "trace-paper"],
            &["task_epochs", "20Minuten", "stance, tone"],
        ),
    ];
    for (arguments, words) in cases {
        let case = format!("{arguments:?}");
        fail_before_writing(folder.path(), arguments, words, &case);
    }
}

#[test]
fn a_target_that_matches_nothing_stops_before_training() {
    let folder = scratch();
    let targets = [
        "--set",
        "methods.osft.targets=['no_such_layer']",
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
    let built = [
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
    ];
    for (backend, _) in built.into_iter().filter(|(_, built)| !built) {
        let error = fail(folder.path(), &["trace", "--backend", backend]);
        assert!(
            error.contains("not in this build") && error.contains(&format!("--features {backend}")),
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
fn usage_errors_exit_with_2_and_help_teaches() {
    let folder = scratch();
    let output = experiments(folder.path()).arg("trase").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("trace"));
    for command in [
        "trace",
        "validate",
        "inspect",
        "curvature",
        "report",
        "pretrain",
        "bench",
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
    let output = experiments(folder.path()).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let nothing = experiments(folder.path()).output().unwrap();
    let nothing = String::from_utf8(nothing.stderr).unwrap();
    for line in [
        "Start here:",
        "  experiments trace\n",
        "  experiments trace --model DIR --data DIR\n",
        "  experiments t5 --preset paper ",
    ] {
        assert!(help.contains(line) && nothing.contains(line), "{line}");
    }
    for line in [
        "trace        Learn the tasks of TRACE",
        "t5           Learn the tasks of the CL benchmark",
    ] {
        assert!(help.contains(line), "no {line} in {help}");
    }
}
