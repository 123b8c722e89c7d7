//! Where the committed suite and base model are.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use crate::config::BenchmarkName;

/// Folder of a benchmark's built-in suite.
pub fn suite(benchmark: BenchmarkName) -> Result<PathBuf> {
    let name = match benchmark {
        BenchmarkName::Trace => "suite",
        BenchmarkName::T5 => "t5-suite",
    };
    locate(name, "--data DIR")
}

/// Hugging Face folder of a benchmark's built-in base model.
pub fn model(benchmark: BenchmarkName) -> Result<PathBuf> {
    let name = match benchmark {
        BenchmarkName::Trace => "model",
        BenchmarkName::T5 => "t5-model",
    };
    locate(name, "--model DIR")
}

/// Below `datasets/builtin` of the current folder, or of the source this program was built from.
fn locate(name: &str, alternative: &str) -> Result<PathBuf> {
    let here = Path::new("datasets/builtin").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../datasets/builtin")
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
