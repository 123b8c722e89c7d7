//! Continual-learning benchmarks for language models: loading, orders and scores per task.
//!
//! A benchmark is a folder of tasks in TRACE's format (`{"prompt", "answer"}`) or in that of the CL
//! benchmark (`{"sentence", "label"}`). These two are known by heart; any other suite describes
//! itself in a `suite.json`. Scores agree with the Python packages that TRACE uses, and with the
//! CL benchmark's exact match.

mod cl_benchmark;
mod error;
mod flaws;
mod json;
mod load;
pub mod metrics;
mod published;
mod score;
mod suite;
mod trace;

pub use cl_benchmark::released_rows;
pub use error::BenchmarkError;
pub use flaws::{Flaw, Split, flaws, repaired};
pub use json::{Content, NotJson, Place};
pub use load::{Row, TaskRows, load_rows, load_task};
pub use published::{Published, PublishedRow, PublishedSource, published};
pub use score::Score;
pub use suite::{Format, Suite, TaskSpec};
