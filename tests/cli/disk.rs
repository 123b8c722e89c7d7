//! Disks without room, folders without leave to write.

use std::fs;
use std::process::Command;

use crate::resume::{SMALL, resume_until_finished};
use crate::{fail, only, program, scratch};

/// A shell that gives every file at most `blocks` blocks of 512 bytes: writing more fails as on a
/// full disk, with another reason.
#[cfg(unix)]
#[test]
fn a_disk_without_room_leaves_what_was_saved() {
    let folder = scratch();
    let arguments = SMALL;
    // The built-in model's weights are 4 MB: they do not fit, the log and the settings do.
    let line = format!(
        "trap '' XFSZ; ulimit -f 2000; exec {} {}",
        program().display(),
        arguments.join(" ")
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{text}");
    assert!(
        last.contains("training-0-2.bpk") && last.contains("--resume run"),
        "{text}"
    );
    // Nothing is left half-written, and with room the run ends as any other.
    let run = folder.path().join("run");
    let saved = only(&run.join("checkpoints"), "seqft-*-seed0");
    let saved = fs::read_dir(saved).unwrap();
    let saved: Vec<String> = saved
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert!(saved[0].starts_with("checkpoint-"), "{saved:?}");
    resume_until_finished(folder.path());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = scratch();
    fs::write(folder.path().join("file"), "").unwrap();
    for out in ["file", "file/run", "/proc/run"] {
        let text = fail(folder.path(), &["trace", "--out", out, "--method", "seqft"]);
        assert!(text.contains(out), "{out}: {text}");
    }
}

#[test]
fn no_command_works_for_a_folder_that_it_could_not_write() {
    let folder = scratch();
    fs::write(folder.path().join("file"), "").unwrap();
    let commands: [&[&str]; 13] = [
        &["trace"],
        &["trace", "--tune"],
        &["sweep"],
        &["compare"],
        &["study", "run", "no-plan.toml"],
        &["study", "report", "no-plan.toml"],
        &["bench"],
        &["scaling", "no-bench"],
        &["inspect"],
        &["curvature"],
        &["portability"],
        &["report", "no-run"],
        &["pretrain"],
    ];
    for command in commands {
        for (out, words) in [
            ("file", "file cannot be a folder"),
            ("file/run", "because file is none"),
            ("/proc/run", "cannot write /proc/run"),
        ] {
            let text = fail(folder.path(), &[command, &["--out", out]].concat());
            assert_eq!(text.trim_end().lines().count(), 1, "{command:?}: {text}");
            assert!(text.contains(words), "{command:?}: {text}");
            assert!(text.contains("choose another --out"), "{command:?}: {text}");
        }
    }
    // A folder with something in it is found before the model is read.
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/a"), "").unwrap();
    let run = ["trace", "--out", "full", "--model", "no-model"];
    let text = fail(folder.path(), &run);
    assert!(text.contains("full is not empty"), "{text}");
}
