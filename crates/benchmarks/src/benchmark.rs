//! The description of a benchmark.

use std::fmt::Debug;
use std::path::Path;

use crate::suite::Suite;

/// A benchmark: its tasks, files, settings and published scores.
///
/// A program adds its own benchmarks to a list of [`Benchmarks`](crate::Benchmarks). Only the
/// command, its help and the suite are required. Settings and scores are TOML text, so a benchmark
/// can keep them in files beside its source.
pub trait Benchmark: Debug + Send + Sync {
    /// Name of the command that runs it, by which settings name it too.
    fn command(&self) -> &'static str;

    /// One sentence for the command's `--help`.
    fn help(&self) -> &'static str;

    /// Example command lines for the command's `--help`.
    fn examples(&self) -> &'static [&'static str] {
        &[]
    }

    /// The public suite: tasks, scores and orders.
    fn suite(&self) -> Suite;

    /// Whether a folder contains its files: by default, whether all of its tasks have their folders
    /// there.
    fn is_in(&self, folder: &Path) -> bool {
        let tasks = self.suite().tasks;
        !tasks.is_empty() && tasks.iter().all(|task| folder.join(task.path()).is_dir())
    }

    /// Its name with the folders by which [`is_in`](Self::is_in) recognises it, as in "TRACE (FOMC,
    /// Py150)". The error about an unknown folder shows it.
    fn layout(&self) -> String {
        let suite = self.suite();
        let folders = suite.tasks.iter().map(|task| task.path().to_string_lossy());
        let folders: Vec<_> = folders.collect();
        format!("{} ({})", suite.name, folders.join(", "))
    }

    /// Numbers of training and test rows in the released files of a task; `None` if not known.
    fn released_rows(&self, task: &str) -> Option<(usize, usize)> {
        let _ = task;
        None
    }

    /// Where to download its files, in a sentence without a full stop.
    fn download(&self) -> Option<&'static str> {
        None
    }

    /// Published scores, as TOML in the form that [`Published`](crate::Published) describes.
    fn published(&self) -> Option<&'static str> {
        None
    }

    /// Folders of its built-in suite and model.
    fn builtin(&self) -> Option<BuiltinFolders> {
        None
    }

    /// Settings that override the general defaults, as TOML.
    fn settings(&self) -> &'static str {
        ""
    }

    /// Settings that bound how far a task moves, with learning rates that are safe under the bound, as TOML: over the others,
    /// for the built-in suite and model or for `given` ones, for each method unless what was chosen of its settings does not
    /// go with them.
    fn bounded_settings(&self, given: bool) -> &'static str {
        let _ = given;
        ""
    }

    /// Settings that override the general ones for a user's own model or data, as TOML.
    fn given_settings(&self) -> &'static str {
        ""
    }

    /// The presets.
    fn presets(&self) -> &'static [Preset] {
        &[]
    }
}

/// [Bounded settings](Benchmark::bounded_settings) for a pretrained model, whatever it learns.
pub const BOUNDED_GIVEN: &str = include_str!("../settings/bounded-given.toml");

/// The folders of a benchmark's built-in data, relative to the folder of all built-in data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinFolders {
    /// Folder of the miniature suite.
    pub suite: &'static str,
    /// Folder of the base model, in Hugging Face's layout.
    pub model: &'static str,
}

/// Published settings with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// The source of the settings, in one sentence.
    pub help: &'static str,
    /// The settings that differ from the defaults, as TOML.
    pub settings: &'static str,
}
