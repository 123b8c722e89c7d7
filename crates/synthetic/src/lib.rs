//! Made-up data: task suites on which forgetting shows at the size of a committed model, what the built-in
//! base models are pre-trained on, and their vocabularies.
//!
//! Everything is drawn from a seed and from lists of words that are part of the source, so that the files
//! below `datasets/builtin` can be made again byte by byte.

pub mod base_model;
mod error;
pub mod files;
pub mod miniature;
pub mod suite;
pub mod vocabulary;

pub use error::SyntheticError;
