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

/// Benchmarks by the names of their commands, and the scores that suites may name.
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
            // One line each.
            .with(Trace)
            .with(ClBenchmark)
    }

    /// The same list with one more; it takes the place of one with the same command.
    #[must_use]
    pub fn with(mut self, benchmark: impl Benchmark + 'static) -> Self {
        self.entries
            .retain(|entry| entry.command() != benchmark.command());
        self.entries.push(Arc::new(benchmark));
        self
    }

    /// The same list with other scores for suites that describe themselves.
    #[must_use]
    pub fn with_scores(self, scores: Scores) -> Self {
        Self { scores, ..self }
    }

    /// The scores that a `suite.json` may name.
    pub fn scores(&self) -> &Scores {
        &self.scores
    }

    /// All benchmarks, in the order in which a folder is compared with them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Benchmark>> {
        self.entries.iter()
    }

    /// The benchmark of a command.
    pub fn find(&self, command: &str) -> Option<&Arc<dyn Benchmark>> {
        self.iter().find(|entry| entry.command() == command)
    }

    /// The published settings of a name, and the benchmark they are about.
    pub fn preset(&self, name: &str) -> Option<(&Arc<dyn Benchmark>, &'static Preset)> {
        self.iter().find_map(|entry| {
            let preset = entry.presets().iter().find(|preset| preset.name == name)?;
            Some((entry, preset))
        })
    }

    /// The public suite of a name.
    pub fn suite(&self, name: &str) -> Option<Suite> {
        let mut suites = self.iter().map(|entry| entry.suite());
        suites.find(|suite| suite.name == name)
    }

    /// Training and test rows in the released files of a task.
    pub fn released_rows(&self, task: &str) -> Option<(usize, usize)> {
        self.iter().find_map(|entry| entry.released_rows(task))
    }

    /// The suite in a folder: the one its `suite.json` describes, or that of the first benchmark whose
    /// files are there.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::NotASuite`] if it is neither, [`BenchmarkError::NotJson`] or
    /// [`BenchmarkError::Json`] if the description cannot be read, [`BenchmarkError::UnknownScore`] if
    /// it names a score that is not in the list.
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

    /// What a folder of a suite may look like, as in "a suite.json, the folders of A or those of B".
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

    /// What was published on the suite of that name for some of its orders, and for the means over
    /// orders that they belong to; `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::Published`] if the benchmark's figures are not of the form of [`Published`].
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
