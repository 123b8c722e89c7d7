//! Which revision of the source a program is built from: what its results are signed with.

use std::path::Path;
use std::process::Command;

/// What goes into the program, from here.
const SOURCES: [&str; 7] = [
    "src",
    "configs",
    "build.rs",
    "Cargo.toml",
    "../crates",
    "../Cargo.toml",
    "../Cargo.lock",
];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // A commit changes no file of the source, but what it is a revision of.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    let unchanged = ["status", "--porcelain", "--untracked-files=no", "--"];
    let revision = match git(&["rev-parse", "HEAD"]) {
        None => "unknown".to_string(),
        Some(head) => match git(&[&unchanged[..], &SOURCES].concat()) {
            Some(changes) if changes.is_empty() => head,
            _ => format!("{head}-dirty"),
        },
    };
    println!("cargo::rustc-env=OSFT_REVISION={revision}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    output.status.success().then_some(text)
}
