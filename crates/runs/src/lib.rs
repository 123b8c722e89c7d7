//! From settings to a folder of results.
//!
//! [`settings`] resolves the settings over a benchmark's defaults. [`data`] turns a suite into
//! tasks. [`base`] holds the model that every run starts from. [`job`] runs one method with one
//! seed. [`sequence`] runs everything that the settings ask for, and resumes interrupted runs. The [`Registries`] list the available methods and benchmarks.

#[macro_use(println, eprintln)]
extern crate report;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod allocator;
mod backend;
pub mod base;
pub mod data;
pub mod interpolation;
pub mod interrupt;
pub mod job;
pub mod memory;
mod model_folder;
mod progress;
mod registries;
mod screen;
pub mod sequence;
pub mod settings;
mod side_by_side;
pub mod suites;

pub use backend::Backend;
pub use model_folder::{model_folder, on_hub, with_transfer};
pub use progress::Progress;
pub use registries::Registries;
pub use side_by_side::{at_once, side_by_side};
