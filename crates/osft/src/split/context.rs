//! What a split looks at beside the weights.

use std::path::{Path, PathBuf};

use crate::calibration::Calibration;

/// What a split may look at beside the weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct SplitContext<'a> {
    pub(crate) calibration: Option<&'a Calibration>,
    pub(crate) cache: Option<&'a SplitCache>,
    task: usize,
    tasks: usize,
}

impl<'a> SplitContext<'a> {
    /// Nothing but the weights, on the first task.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the moments of what is to be kept.
    pub fn with_calibration(mut self, calibration: &'a Calibration) -> Self {
        self.calibration = Some(calibration);
        self
    }

    /// Before task number `task`, from 0, of `tasks`: what a schedule over tasks follows.
    pub fn for_task(mut self, task: usize, tasks: usize) -> Self {
        (self.task, self.tasks) = (task, tasks);
        self
    }

    /// Looks for the split in a folder before anything is decomposed, and leaves it there.
    pub fn with_cache(mut self, cache: &'a SplitCache) -> Self {
        self.cache = Some(cache);
        self
    }

    pub(crate) fn progress(&self) -> f64 {
        let last = self.tasks.saturating_sub(1);
        if last == 0 {
            0.0
        } else {
            self.task.min(last) as f64 / last as f64
        }
    }
}

/// A folder of splits.
///
/// A split is found by the SHA-256 of everything it depends on: the target weights, the configuration, the
/// calibration if there is one, and how far the sequence of tasks is where the share follows it. So nothing in
/// the folder is ever out of date, and all of it may be deleted at any time. A file holds the bases and not
/// the weights: three quarters of what the weights take at a protected share of a half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitCache {
    folder: PathBuf,
}

impl SplitCache {
    /// A cache in a folder, which is made when the first split is kept.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
