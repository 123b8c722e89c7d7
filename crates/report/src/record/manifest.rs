//! What has to be known to repeat a run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Contents;

/// Revision of the source that this program was built from, `-dirty` with uncommitted changes;
/// `unknown` outside a repository.
pub const REVISION: &str = env!("OSFT_REVISION");

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
    /// Revisions of the programs that did, as far as they are not `revision`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed_by: Vec<String>,
    /// What was done about flaws of the data, and what of it does not fit.
    #[serde(default)]
    pub data: Vec<String>,
    /// What was not as the model's authors would have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<String>,
    /// Keys of the runs in the folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Number of runs in the folder, all seeds counted; 0 where that was not recorded.
    #[serde(default)]
    pub runs: usize,
    /// What is read beside the settings, by order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, Contents>,
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
            burn: env!("BURN_VERSION").to_string(),
            revision: REVISION.to_string(),
            backend: backend.to_string(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            suite: String::new(),
            tuning: false,
            resumed: 0,
            resumed_by: Vec::new(),
            data: Vec::new(),
            model: Vec::new(),
            keys: Vec::new(),
            runs: 0,
            contents: BTreeMap::new(),
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

    /// Takes note that this program continues the run; a sentence where it is another revision.
    pub fn resumed_by_this_program(&mut self) -> Option<String> {
        self.resumed += 1;
        if self.revision == REVISION {
            return None;
        }
        if !self.resumed_by.iter().any(|revision| revision == REVISION) {
            self.resumed_by.push(REVISION.to_string());
        }
        Some(format!(
            "the run was started by revision {}, this program is revision {REVISION}: its numbers may \
             not be those of one revision",
            self.revision
        ))
    }

    /// What was remarkable in model and data, a paragraph each.
    pub fn remarks(&self) -> String {
        let model = self.model.iter().map(|line| format!("Model: {line}.\n\n"));
        let data = self.data.iter().map(|line| format!("Data: {line}.\n\n"));
        model.chain(data).collect()
    }

    /// The command as it can be pasted into a shell.
    pub fn command_line(&self) -> String {
        shell_line(&self.command)
    }

    /// The last section of a report: command, versions, revision, machine.
    pub fn origin(&self) -> String {
        let resumed = match self.resumed {
            0 => String::new(),
            1 => " The run was stopped and continued once.".to_string(),
            times => format!(" The run was stopped and continued {times} times."),
        };
        let others = match self.resumed_by.is_empty() {
            true => String::new(),
            false => format!(
                " It was continued by revision `{}`.",
                self.resumed_by.join("`, `")
            ),
        };
        format!(
            "## How this was made\n\n    {}\n\nVersion {}, Burn {}, revision `{}`, backend {}, {} \
             cores.{resumed}{others}",
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Manifest, shell_line};

    #[test]
    fn the_version_of_burn_is_the_one_that_the_workspace_asks_for() {
        let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let workspace = std::fs::read_to_string(workspace).unwrap();
        let workspace: toml::Table = workspace.parse().unwrap();
        let asked = &workspace["workspace"]["dependencies"]["burn"]["version"];
        let burn = Manifest::new(String::new(), "flex").burn;
        assert_eq!(asked.as_str(), Some(format!("={burn}").as_str()));
    }

    #[test]
    fn words_with_blanks_are_quoted() {
        let words = ["bench", "--set", "tune_grid=[1e-5]", "it's 1", ""].map(str::to_string);
        let line = shell_line(&words);
        assert_eq!(line, r"bench --set tune_grid=[1e-5] 'it'\''s 1' ''");
    }
}
