//! Records the source revision and the version of Burn in the program; results refer to them.

use std::fs;
use std::path::Path;
use std::process::Command;

const LOCK: &str = "../../Cargo.lock";

/// Sources of the program, relative to this file.
const SOURCES: [&str; 4] = ["..", "../../experiments", "../../Cargo.toml", LOCK];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // A commit changes no source file but changes the revision.
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
    match locked("burn") {
        Some(version) => println!("cargo::rustc-env=BURN_VERSION={version}"),
        None => println!("cargo::error=no version of burn in {LOCK}"),
    }
}

/// The locked version of a package: the line after its name.
fn locked(package: &str) -> Option<String> {
    let lock = fs::read_to_string(LOCK).ok()?;
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = ")?;
    Some(version.trim_matches('"').to_string())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    output.status.success().then_some(text)
}
