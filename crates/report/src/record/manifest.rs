//! The manifest of a run: everything that is necessary to repeat it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Contents, processor};

/// Revision of the source that this program was built from, `-dirty` with uncommitted changes;
/// `unknown` outside a repository.
pub const REVISION: &str = env!("OSFT_REVISION");

/// `run.json`: the origin of a run's numbers.
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
    /// Revision of the program's source, with `-dirty` if it had uncommitted changes; `unknown`
    /// outside a repository.
    pub revision: String,
    /// The compute backend.
    pub backend: String,
    /// Number of processor cores.
    pub cores: usize,
    /// Model of the processor; empty if not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub processor: String,
    /// Name of the suite; empty if not recorded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// Whether learning rates were tuned on the validation rows.
    #[serde(default)]
    pub tuning: bool,
    /// How often another process resumed the run.
    #[serde(default)]
    pub resumed: usize,
    /// Revisions of the programs that resumed it, if they differ from `revision`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed_by: Vec<String>,
    /// Remarks on repaired flaws of the data, and on truncated rows.
    #[serde(default)]
    pub data: Vec<String>,
    /// Deviations from what the model's authors intend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<String>,
    /// Keys of the runs in the folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// How many runs went on at the same time, on the cores of one machine; 0 if not recorded.
    #[serde(default)]
    pub at_once: usize,
    /// The machines of runs that are reported together, in words; empty for a run of this process.
    #[serde(skip)]
    pub machines: Vec<String>,
    /// Number of runs in the folder over all seeds; 0 if not recorded.
    #[serde(default)]
    pub runs: usize,
    /// The content that is read beside the settings, by order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, Contents>,
}

impl Manifest {
    /// The manifest of a run that this process starts.
    pub fn new(title: String, backend: &str) -> Self {
        Self {
            title,
            command: command(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            burn: env!("BURN_VERSION").to_string(),
            revision: REVISION.to_string(),
            backend: backend.to_string(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(),
            suite: String::new(),
            tuning: false,
            resumed: 0,
            resumed_by: Vec::new(),
            data: Vec::new(),
            model: Vec::new(),
            keys: Vec::new(),
            runs: 0,
            at_once: 0,
            machines: Vec::new(),
            contents: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// Reads the manifest of a run.
    ///
    /// # Errors
    ///
    /// If the folder has no readable manifest.
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

    /// Records that this program resumes the run; returns a warning if its revision differs.
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

    /// Remarks on model and data, one paragraph each.
    pub fn remarks(&self) -> String {
        let model = self.model.iter().map(|line| format!("Model: {line}.\n\n"));
        let data = self.data.iter().map(|line| format!("Data: {line}.\n\n"));
        model.chain(data).collect()
    }

    /// The command line, quoted for a shell.
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
        let machines = match self.machines.is_empty() {
            true => self.machine(),
            false => self.machines.join("; "),
        };
        let shared = match self.at_once {
            0 | 1 => String::new(),
            runs => format!(
                " {runs} runs at the same time shared the cores: alone, each takes fewer seconds than its \
                 row says."
            ),
        };
        format!(
            "## How this was made\n\n    {}\n\nVersion {}, Burn {}, revision `{}`, backend {}, \
             {machines}.{shared}{resumed}{others}",
            self.command_line(),
            self.version,
            self.burn,
            self.revision,
            self.backend
        )
    }

    /// The machine, in words.
    pub fn machine(&self) -> String {
        match self.processor.is_empty() {
            true => format!("{} cores", self.cores),
            false => format!("{} cores of {}", self.cores, self.processor),
        }
    }
}

/// The command line of this process as it was typed, quoted for a shell.
pub fn command_line() -> String {
    shell_line(&command())
}

/// The words of the command line, the program's name without its path.
fn command() -> Vec<String> {
    let words = std::env::args_os();
    let words = words.map(|word| word.to_string_lossy().into_owned());
    let mut command: Vec<String> = words.collect();
    if let Some(program) = command.first_mut() {
        let name = Path::new(program.as_str()).file_stem();
        *program = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    }
    command
}

/// Joins words to a command line, quoted for a shell.
fn shell_line(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
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
    fn the_recorded_version_of_burn_is_the_locked_one() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let lock: toml::Table = std::fs::read_to_string(lock).unwrap().parse().unwrap();
        let mut packages = lock["package"].as_array().unwrap().iter();
        let burn = packages.find(|package| package["name"].as_str() == Some("burn"));
        let recorded = Manifest::new(String::new(), "flex").burn;
        assert_eq!(burn.unwrap()["version"].as_str(), Some(recorded.as_str()));
    }

    #[test]
    fn words_with_spaces_are_quoted() {
        let words = ["bench", "--set", "a={b=[1e-5]}", "it's 1", "", "^q$"].map(str::to_string);
        let line = shell_line(&words);
        // Shells expand braces, brackets and more.
        assert_eq!(line, r"bench --set 'a={b=[1e-5]}' 'it'\''s 1' '' '^q$'");
    }
}
