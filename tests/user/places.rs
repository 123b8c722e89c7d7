//! Where a model is written: full disks, links, and folders that are none.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::{jsonl, largest_difference, model, rows, run, said, succeed, text};

/// Runs `osft` with files limited to so many KiB, as a full disk would.
fn limited(kibibytes: usize, arguments: &[&str]) -> Output {
    let quoted: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let line = format!(
        "trap '' XFSZ; ulimit -f {kibibytes}; exec '{}' {}",
        env!("CARGO_BIN_EXE_osft"),
        quoted.join(" ")
    );
    // `ulimit -f` counts KiB in bash, and blocks of 512 bytes in other shells.
    Command::new("bash").args(["-c", &line]).output().unwrap()
}

fn learning<'a>(data: &'a str, from: &'a str, out: &'a str) -> Vec<&'a str> {
    vec![
        "finetune",
        "--model",
        from,
        "--data",
        data,
        "--out",
        out,
        "--valid",
        "none",
        "--epochs",
        "1",
        "--max-length",
        "96",
        "--questions",
        "0",
        "--save-every",
        "1",
        "--set",
        "calibration.base_rows=8",
        "--set",
        "calibration.base_tokens=16",
    ]
}

#[test]
fn a_full_disk_ends_a_run_in_one_line_and_the_run_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "tone.jsonl", &rows("tone", "train", 24));
    let from = text(&model());
    let whole = text(&folder.path().join("whole"));
    succeed(&learning(&data, &from, &whole));
    // The settings; a saved state; the weights.
    for kibibytes in [1, 500, 3000] {
        let out = text(&folder.path().join(format!("out-{kibibytes}")));
        let arguments = learning(&data, &from, &out);
        let output = limited(kibibytes, &arguments);
        let text = said(&output);
        assert!(!output.status.success(), "{kibibytes}: {text}");
        let error: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("error"))
            .collect();
        assert_eq!(error.len(), 1, "{kibibytes}: {text}");
        assert!(
            error[0].contains("File too large") && error[0].contains("out-"),
            "{}",
            error[0]
        );
        assert!(!text.contains("panicked"), "{kibibytes}: {text}");
        assert!(!Path::new(&out).exists(), "{kibibytes}");
        let mut resumed = arguments.clone();
        resumed.push("--resume");
        if kibibytes > 1 {
            succeed(&resumed);
            assert_eq!(largest_difference(Path::new(&whole), Path::new(&out)), 0.0);
        } else {
            // Not even the settings could be written: there is nothing to go on with.
            assert!(said(&run(&resumed)).contains("nothing to resume"));
            succeed(&arguments);
        }
    }
    // A merge leaves nothing.
    let adapter = text(&folder.path().join("adapter"));
    let mut arguments = learning(&data, &from, &adapter);
    arguments.truncate(arguments.len() - 4);
    succeed(&[&arguments[..], &["--method", "lora", "--format", "adapter"]].concat());
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    let merged = text(&folder.path().join("merged"));
    let output = limited(1000, &["merge", "--adapter", &adapter, "--out", &merged]);
    assert!(
        !output.status.success() && said(&output).contains("File too large"),
        "{}",
        said(&output)
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
}

#[test]
fn links_are_followed_to_folders_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "tone.jsonl", &rows("tone", "train", 16));
    let path = |name: &str| text(&folder.path().join(name));
    // A model folder whose files are links, as a cache of the hub has them, behind a link.
    let blobs = folder.path().join("snapshot");
    std::fs::create_dir(&blobs).unwrap();
    for entry in std::fs::read_dir(model()).unwrap() {
        let file = entry.unwrap().path().canonicalize().unwrap();
        symlink(&file, blobs.join(file.file_name().unwrap())).unwrap();
    }
    symlink(&blobs, folder.path().join("linked-model")).unwrap();
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    symlink(
        folder.path().join("elsewhere"),
        folder.path().join("linked"),
    )
    .unwrap();

    let out = path("linked/taught");
    succeed(&learning(&data, &path("linked-model"), &out));
    let written = folder.path().join("elsewhere/taught");
    let weights = written.join("model.safetensors");
    assert!(
        weights.symlink_metadata().unwrap().is_file(),
        "a file of its own"
    );
    assert!(largest_difference(&written, &model()) > 0.0);

    let original = std::fs::read(model().join("model.safetensors")).unwrap();
    symlink(
        folder.path().join("nowhere"),
        folder.path().join("dangling"),
    )
    .unwrap();
    symlink(path("tone.jsonl"), folder.path().join("linked-file")).unwrap();
    symlink(folder.path().join("circle"), folder.path().join("circle")).unwrap();
    for (out, expected) in [
        ("linked", "exists already"),
        ("dangling", "exists already"),
        ("linked-file", "exists already"),
        ("linked-file/out", "not a folder"),
        ("circle/out", "not a folder"),
        ("dangling/out", "not a folder"),
    ] {
        let output = run(&learning(&data, &path("linked-model"), &path(out)));
        let said = said(&output);
        assert!(!output.status.success(), "{out}: {said}");
        assert!(
            said.contains(expected) && said.trim().lines().count() == 1,
            "{out}: {said}"
        );
    }
    assert_eq!(
        std::fs::read(model().join("model.safetensors")).unwrap(),
        original
    );
    assert!(!folder.path().join("nowhere").exists());
}
