//! The context of a split: everything that it reads beside the weights.

use std::path::{Path, PathBuf};

use crate::calibration::Calibration;
use crate::rule::progress;

/// Everything that a split may read beside the weights: a calibration, the position in the sequence of tasks,
/// a cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitContext<'a> {
    pub(crate) calibration: Option<&'a Calibration>,
    pub(crate) cache: Option<&'a SplitCache>,
    pub(crate) retains_nothing: bool,
    task: usize,
    tasks: usize,
}

impl<'a> SplitContext<'a> {
    /// An empty context: no calibration, no cache, the first task.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the calibration, which was measured on the data that is to be retained.
    pub fn with_calibration(mut self, calibration: &'a Calibration) -> Self {
        self.calibration = Some(calibration);
        self
    }

    /// Says that nothing is to be retained yet: a split by inputs then protects nothing and needs no
    /// calibration. Without this, a missing calibration is an error.
    pub fn retaining_nothing(mut self) -> Self {
        self.retains_nothing = true;
        self
    }

    /// Sets the position in the sequence, which a schedule follows: before task `task`, counted from 0, of
    /// `tasks` tasks.
    pub fn for_task(mut self, task: usize, tasks: usize) -> Self {
        (self.task, self.tasks) = (task, tasks);
        self
    }

    /// Loads the split from a cache, or saves it there after it was made.
    pub fn with_cache(mut self, cache: &'a SplitCache) -> Self {
        self.cache = Some(cache);
        self
    }

    pub(crate) fn progress(&self) -> f64 {
        progress(self.task, self.tasks)
    }

    pub(crate) fn task(&self) -> usize {
        self.task
    }
}

/// A folder of cached splits.
///
/// A split is found by the SHA-256 of everything that it depends on: the target weights, the configuration,
/// the calibration if there is one, and the position in the sequence of tasks if a rule follows it. So no
/// file is ever out of date, and all files may be deleted at any time. A file contains the bases but not the
/// weights: three quarters of the size of the weights at a protected share of a half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitCache {
    folder: PathBuf,
}

impl SplitCache {
    /// A cache in a folder, which is created for the first split.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder of the cache.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
