//! The list of benchmarks.

use std::path::Path;
use std::sync::Arc;

use crate::benchmark::{Benchmark, Preset};
use crate::cl_benchmark::ClBenchmark;
use crate::error::BenchmarkError;
use crate::published::Published;
use crate::scores::Scores;
use crate::suite::Suite;
use crate::trace::Trace;

/// Benchmarks by the names of their commands, and the scores that suites may use.
#[derive(Clone, Debug)]
pub struct Benchmarks {
    entries: Vec<Arc<dyn Benchmark>>,
    scores: Scores,
}

impl Benchmarks {
    /// TRACE and the CL benchmark, with the built-in scores.
    pub fn builtin() -> Self {
        let empty = Self {
            entries: Vec::new(),
            scores: Scores::builtin(),
        };
        empty
            // One line per benchmark.
            .with(Trace)
            .with(ClBenchmark)
    }

    /// Adds a benchmark, or replaces the benchmark with the same command.
    #[must_use]
    pub fn with(mut self, benchmark: impl Benchmark + 'static) -> Self {
        self.entries
            .retain(|entry| entry.command() != benchmark.command());
        self.entries.push(Arc::new(benchmark));
        self
    }

    /// Replaces the scores that suites with a description may use.
    #[must_use]
    pub fn with_scores(self, scores: Scores) -> Self {
        Self { scores, ..self }
    }

    /// The scores that a `suite.json` may use.
    pub fn scores(&self) -> &Scores {
        &self.scores
    }

    /// All benchmarks, in the order in which they are matched against a folder.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Benchmark>> {
        self.entries.iter()
    }

    /// The benchmark of a command; `None` if there is none.
    pub fn find(&self, command: &str) -> Option<&Arc<dyn Benchmark>> {
        self.iter().find(|entry| entry.command() == command)
    }

    /// A preset by name, and its benchmark; `None` if there is none.
    pub fn preset(&self, name: &str) -> Option<(&Arc<dyn Benchmark>, &'static Preset)> {
        self.iter().find_map(|entry| {
            let preset = entry.presets().iter().find(|preset| preset.name == name)?;
            Some((entry, preset))
        })
    }

    /// A benchmark's public suite by name; `None` if there is none.
    pub fn suite(&self, name: &str) -> Option<Suite> {
        let mut suites = self.iter().map(|entry| entry.suite());
        suites.find(|suite| suite.name == name)
    }

    /// Numbers of training and test rows in the released files of a task; `None` if not known.
    pub fn released_rows(&self, task: &str) -> Option<(usize, usize)> {
        self.iter().find_map(|entry| entry.released_rows(task))
    }

    /// Opens the suite in a folder: the suite of its `suite.json`, or the suite of the first
    /// benchmark whose files it contains.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::NotASuite`] if it has neither, [`BenchmarkError::NotJson`] or
    /// [`BenchmarkError::Json`] if the description cannot be read, [`BenchmarkError::UnknownScore`]
    /// if the description names an unknown score.
    pub fn open(&self, folder: &Path) -> Result<Suite, BenchmarkError> {
        let description = folder.join("suite.json");
        if description.is_file() {
            return Suite::read(&description, &self.scores);
        }
        match self.iter().find(|entry| entry.is_in(folder)) {
            Some(entry) => Ok(entry.suite()),
            None => Err(self.not_a_suite(folder)),
        }
    }

    fn not_a_suite(&self, folder: &Path) -> BenchmarkError {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(source) => {
                return BenchmarkError::Io {
                    path: folder.to_path_buf(),
                    source,
                };
            }
        };
        let mut found: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        found.sort();
        BenchmarkError::NotASuite {
            path: folder.to_path_buf(),
            expected: self.layouts(),
            found: match found.is_empty() {
                true => "nothing".to_string(),
                false => found.join(", "),
            },
        }
    }

    /// The possible layouts of a suite's folder, as in "a suite.json, the folders of A or those of
    /// B".
    fn layouts(&self) -> String {
        let mut text = "a suite.json".to_string();
        for (index, entry) in self.iter().enumerate() {
            let last = index + 1 == self.entries.len();
            let conjunction = if last { " or" } else { "," };
            let folders = if index == 0 { "the folders" } else { "those" };
            text += &format!("{conjunction} {folders} of {}", entry.layout());
        }
        text
    }

    /// Published scores on a suite for some of its orders, with the means over ranges that contain
    /// them; `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::Published`] if the benchmark's scores do not have the form of
    /// [`Published`].
    pub fn published(
        &self,
        suite: &str,
        orders: &[&str],
    ) -> Result<Option<Published>, BenchmarkError> {
        let entry = self.iter().find(|entry| entry.suite().name == suite);
        let Some(text) = entry.and_then(|entry| entry.published()) else {
            return Ok(None);
        };
        Published::read(text, orders).map_err(|error| BenchmarkError::Published {
            suite: suite.to_string(),
            reason: error.to_string(),
        })
    }
}

impl Default for Benchmarks {
    fn default() -> Self {
        Self::builtin()
    }
}
