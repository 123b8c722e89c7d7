//! What a suite says about itself before its files are read.

use std::fmt::Debug;
use std::path::Path;

use crate::error::GeneralError;
use crate::protocol::Protocol;
use crate::suite::Suite;

/// A suite by name.
pub trait SuiteKind: Debug + Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// What it measures, in one sentence.
    fn help(&self) -> &'static str;

    /// The protocols that have it; none if it is the same in all of them.
    fn protocols(&self) -> &'static [Protocol];

    /// The files or folders that it reads, below the folder of data.
    fn files(&self, protocol: Protocol) -> &'static [&'static str];

    /// Whether a model generates its answers, which takes longer than to choose or to read.
    fn generates(&self) -> bool {
        false
    }

    /// Reads its rows and examples from the folder of data, and makes the prompts.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Io`] for a file that cannot be read, [`GeneralError::File`] and
    /// [`GeneralError::Line`] for one that cannot be used.
    fn open(&self, folder: &Path, protocol: Protocol) -> Result<Suite, GeneralError>;
}
