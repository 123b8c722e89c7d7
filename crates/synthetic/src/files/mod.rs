//! The built-in suites as files.

mod labelled;
mod trace;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::SyntheticError;

/// The files of a suite by their relative paths, in order.
pub type SuiteFiles = BTreeMap<String, Vec<u8>>;

/// The built-in suite of `trace`: eight tasks in TRACE's layout.
///
/// # Errors
///
/// [`SyntheticError::Incomplete`], [`SyntheticError::Json`].
pub fn trace(seed: u64) -> Result<SuiteFiles, SyntheticError> {
    trace::files(seed)
}

/// The built-in suite of `t5`: a miniature of the CL benchmark, in its layout.
///
/// # Errors
///
/// [`SyntheticError::Incomplete`], [`SyntheticError::Json`].
pub fn miniature(seed: u64) -> Result<SuiteFiles, SyntheticError> {
    labelled::files(seed)
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, SyntheticError> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text.into_bytes())
}
