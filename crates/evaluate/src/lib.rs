//! General ability of a language model.
//!
//! [`answers`] has a model answer what a suite of [`general`] asks: texts of like length share a batch, and what they
//! all begin with is read once. [`score`] scores a suite and keeps the result, so that the same model is not asked twice.
//! [`course`] keeps what a model reached in the course of a run. [`page`] shows scores, alone or beside those of the model before.

mod answer;
pub mod course;
mod kept;
pub mod page;
mod suites;

pub use answer::{Limits, answers};
pub use kept::{Evaluated, KeptScores, score};
pub use suites::{AUTO, SuiteNames, scores};
