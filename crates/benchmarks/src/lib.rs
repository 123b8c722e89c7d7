//! Continual-learning benchmarks for language models: loading, orders and scores per task.
//!
//! A benchmark is a folder in TRACE's layout, `<task>/{train,eval,test}.json`, each file one JSON
//! array of `{"prompt", "answer"}`. TRACE itself is known by heart; any other suite describes
//! itself in a `suite.json`. Scores agree with the Python packages that TRACE uses.

mod error;
mod flaws;
mod load;
pub mod metrics;
mod published;
mod score;
mod suite;
mod trace;

pub use error::BenchmarkError;
pub use flaws::{Flaw, Split, flaws, repaired};
pub use load::{Row, TaskRows, load_rows, load_task};
pub use published::{Published, PublishedRow, PublishedSource, published};
pub use score::Score;
pub use suite::{Suite, TaskSpec};
