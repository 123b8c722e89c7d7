//! Finds the committed suites and base models.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use benchmarks::BuiltinFolders;

use crate::registries::Registries;

/// The folder of a benchmark's built-in suite.
///
/// # Errors
///
/// If the benchmark has no built-in suite, or its folder is missing.
pub fn suite(registries: &Registries, command: &str) -> Result<PathBuf> {
    locate(folders(registries, command)?.suite, "--data DIR")
}

/// The Hugging Face folder of a benchmark's built-in base model.
///
/// # Errors
///
/// If the benchmark has no built-in model, or its folder is missing.
pub fn model(registries: &Registries, command: &str) -> Result<PathBuf> {
    locate(folders(registries, command)?.model, "--model DIR")
}

fn folders(registries: &Registries, command: &str) -> Result<BuiltinFolders> {
    let benchmark = registries.benchmarks.find(command);
    let folders = benchmark.and_then(|benchmark| benchmark.builtin());
    folders.with_context(|| {
        format!("{command} has no built-in suite and model: give --data DIR and --model DIR")
    })
}

/// Looks below `datasets/builtin` in the current folder and in the source folder of this build.
fn locate(name: &str, alternative: &str) -> Result<PathBuf> {
    let here = Path::new("datasets/builtin").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/builtin")
        .join(name);
    [here, source]
        .into_iter()
        .find(|path| path.is_dir())
        .ok_or_else(|| {
            anyhow!(
                "the built-in {name} (datasets/builtin/{name}) is neither in the current folder \
                 nor where this program was built; run it from a clone of the repository, or \
                 give {alternative}"
            )
        })
}
