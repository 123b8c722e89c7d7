//! Continual-learning benchmarks for language models: loading, orders and scores per task.
//!
//! A benchmark is a folder in TRACE's layout, `<task>/{train,eval,test}.json`, each file one JSON
//! array of `{"prompt", "answer"}`. TRACE itself is known by heart; any other suite describes
//! itself in a `suite.json`. Scores agree with the Python packages that TRACE uses.

mod error;
mod load;
pub mod metrics;
mod score;
mod suite;
mod trace;

pub use error::BenchmarkError;
pub use load::{Limits, Row, TaskRows, load_rows, load_task};
pub use score::Score;
pub use suite::{Suite, TaskSpec};
