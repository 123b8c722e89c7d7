//! From settings to a folder of results.
//!
//! [`settings`] are resolved over the defaults of a benchmark; [`data`] turns a suite into tasks; [`base`] is the
//! model that every run starts from; [`job`] runs one method with one seed; [`sequence`] runs all that the
//! settings ask for, goes on with what was interrupted, and tunes. Which methods and benchmarks there are, the
//! [`Registries`] say.

#[macro_use(println, eprintln)]
extern crate report;

mod backend;
pub mod base;
pub mod data;
pub mod interrupt;
pub mod job;
mod progress;
mod registries;
pub mod sequence;
pub mod settings;

pub use backend::Backend;
pub use progress::Progress;
pub use registries::Registries;
