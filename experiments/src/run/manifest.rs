//! What has to be known to repeat a run.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// `run.json`: where the numbers of a run come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Title of the run, with its scale.
    pub title: String,
    /// The command line as typed.
    pub command: Vec<String>,
    /// Version of this program.
    pub version: String,
    /// Version of Burn.
    pub burn: String,
    /// Revision of the source that the program was built from, `-dirty` with uncommitted changes;
    /// `unknown` outside a repository.
    pub revision: String,
    /// Where it was computed.
    pub backend: String,
    /// Processor cores of the machine.
    pub cores: usize,
    /// Name of the suite; empty where that was not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// Whether learning rates were tuned, on validation rows.
    #[serde(default)]
    pub tuning: bool,
    /// How often another process went on with the run.
    #[serde(default)]
    pub resumed: usize,
    /// What was done about flaws of the data.
    #[serde(default)]
    pub data: Vec<String>,
}

impl Manifest {
    /// The manifest of this process.
    pub fn new(title: String, backend: &str) -> Self {
        // The program by its name, not by where it happened to be.
        let arguments = std::env::args().skip(1);
        let command = std::iter::once("experiments".to_string())
            .chain(arguments)
            .collect();
        Self {
            title,
            command,
            version: env!("CARGO_PKG_VERSION").to_string(),
            burn: "0.22.1".to_string(),
            revision: env!("OSFT_REVISION").to_string(),
            backend: backend.to_string(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            suite: String::new(),
            tuning: false,
            resumed: 0,
            data: Vec::new(),
        }
    }
}

impl Manifest {
    /// The manifest of a run.
    ///
    /// # Errors
    ///
    /// If the folder has none that can be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("run.json");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read {}: {} is not the folder of a run, or nothing was run in it",
                path.display(),
                folder.display()
            )
        })?;
        serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))
    }

    /// The command as it can be pasted into a shell.
    pub fn command_line(&self) -> String {
        shell_line(&self.command)
    }

    /// The last section of a report: command, versions, revision, machine.
    pub fn origin(&self) -> String {
        let resumed = match self.resumed {
            0 => String::new(),
            1 => " The run was stopped and taken up once.".to_string(),
            times => format!(" The run was stopped and taken up {times} times."),
        };
        format!(
            "## How this was made\n\n    {}\n\nVersion {}, Burn {}, revision `{}`, backend {}, {} \
             cores.{resumed}",
            self.command_line(),
            self.version,
            self.burn,
            self.revision,
            self.backend,
            self.cores
        )
    }
}

/// A command as it can be pasted into a shell.
fn shell_line(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:[]{}+@%^".contains(c);
    let quoted = words
        .iter()
        .map(|word| match !word.is_empty() && word.chars().all(plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::shell_line;

    #[test]
    fn words_with_blanks_are_quoted() {
        let words = ["bench", "--set", "tune_grid=[1e-5]", "it's 1", ""].map(str::to_string);
        let line = shell_line(&words);
        assert_eq!(line, r"bench --set tune_grid=[1e-5] 'it'\''s 1' ''");
    }
}
