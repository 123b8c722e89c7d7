//! Continual-learning benchmarks for language models: loading, orders and scores per task.
//!
//! A suite is a folder of tasks in TRACE's format (`{"prompt", "answer"}`) or in the CL benchmark's
//! format (`{"sentence", "label"}`). [`Benchmarks`] lists the benchmarks whose folders are
//! recognised: TRACE, the CL benchmark, and those that a program adds. Any other suite has a
//! description in a `suite.json`. [`Scores`] lists the scores by name. The built-in scores agree
//! with the Python packages that TRACE uses and with the CL benchmark's exact match. [`assemble`]
//! makes a suite from tasks of others.

mod assembly;
mod benchmark;
mod cl_benchmark;
mod error;
mod flaws;
mod json;
mod load;
mod published;
mod registry;
mod scores;
mod suite;
mod trace;

pub use assembly::{Assembled, Recipe, RecipeTask, RowCounts, assemble};
pub use benchmark::{BOUNDED_GIVEN, Benchmark, BuiltinFolders, Preset};
pub use cl_benchmark::ClBenchmark;
pub use error::BenchmarkError;
pub use flaws::{Flaw, Split, flaws, repaired};
pub use json::{Content, NotJson, Place};
pub use load::{Row, TaskRows, load_rows, load_task};
pub use published::{Published, PublishedRow, PublishedSource};
pub use registry::Benchmarks;
pub use scores::{Score, Scores, TaskScore};
pub use suite::{Format, Suite, TaskSpec};
pub use trace::Trace;

/// Scores of single texts, equal to those of the Python packages that TRACE uses.
pub mod metrics {
    pub use crate::scores::{fuzzy_ratio, rouge_l, sari, undo_literals};
}
