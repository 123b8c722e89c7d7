//! One more task for a model of one's own: a Hugging Face folder and a file of rows in, a Hugging Face folder out, with
//! a card that says what was gained and what was lost.
//!
//! [`run()`] learns one task through the same code as the benchmarks ([`runs`]). What the method needs to protect the task
//! later travels in the folder `osft` of the output ([`carried`]); from a folder that has it, the next task goes on.

#[macro_use(println)]
extern crate report;

mod card;
pub mod carried;
pub mod check;
mod export;
pub mod measure;
mod measured;
mod merge;
mod pictures;
pub mod plan;
mod remarks;
mod run;
pub mod settings;
mod task;
mod unused;

pub use merge::{MergeRequest, merge};
pub use run::{FinetuneRequest, run};
pub use task::{OwnTask, TaskReader};
