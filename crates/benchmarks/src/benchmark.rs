//! What a benchmark says about itself.

use std::fmt::Debug;
use std::path::Path;

use crate::suite::Suite;

/// A benchmark: its tasks, its files, its settings, and what was published on it.
///
/// A program adds its own to a list of [`Benchmarks`](crate::Benchmarks); only the command, its help and
/// the suite have to be given. Settings and figures are TOML text, so that a benchmark can keep them in
/// files beside its source.
pub trait Benchmark: Debug + Send + Sync {
    /// Name of the command that runs it, by which settings name it too.
    fn command(&self) -> &'static str;

    /// One sentence for the command's `--help`.
    fn help(&self) -> &'static str;

    /// Command lines to show as examples in the command's `--help`.
    fn examples(&self) -> &'static [&'static str] {
        &[]
    }

    /// The public suite: tasks, scores and orders.
    fn suite(&self) -> Suite;

    /// Whether a folder holds its files: by default, whether all of its tasks have their folders there.
    fn is_in(&self, folder: &Path) -> bool {
        let tasks = self.suite().tasks;
        !tasks.is_empty() && tasks.iter().all(|task| folder.join(task.path()).is_dir())
    }

    /// Its name with the folders by which [`is_in`](Self::is_in) recognises it, as in "TRACE (FOMC,
    /// Py150)", for the error about a folder that is no suite.
    fn layout(&self) -> String {
        let suite = self.suite();
        let folders = suite.tasks.iter().map(|task| task.path().to_string_lossy());
        let folders: Vec<_> = folders.collect();
        format!("{} ({})", suite.name, folders.join(", "))
    }

    /// Training and test rows in the released files of a task.
    fn released_rows(&self, task: &str) -> Option<(usize, usize)> {
        let _ = task;
        None
    }

    /// Where its files are to be had, in a sentence without a full stop.
    fn download(&self) -> Option<&'static str> {
        None
    }

    /// Published figures, as TOML of the form that [`Published`](crate::Published) describes.
    fn published(&self) -> Option<&'static str> {
        None
    }

    /// Folders of its built-in suite and model.
    fn builtin(&self) -> Option<BuiltinFolders> {
        None
    }

    /// Settings over the general defaults, as TOML.
    fn settings(&self) -> &'static str {
        ""
    }

    /// Settings over the general ones for a user's own model or data, as TOML.
    fn given_settings(&self) -> &'static str {
        ""
    }

    /// Published settings.
    fn presets(&self) -> &'static [Preset] {
        &[]
    }
}

/// Names of the folders, below that of the built-in data, that belong to a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinFolders {
    /// Folder of the miniature suite.
    pub suite: &'static str,
    /// Folder of the base model, in the layout of Hugging Face.
    pub model: &'static str,
}

/// Published settings under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The name as it is typed.
    pub name: &'static str,
    /// Whose settings they are, in one sentence.
    pub help: &'static str,
    /// What differs from the defaults, as TOML.
    pub settings: &'static str,
}
