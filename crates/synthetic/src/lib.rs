//! Generated data: task suites on which a small committed model shows forgetting, the pre-training
//! data of the built-in base models, and their vocabularies.
//!
//! All data follow from a seed and from word lists in the source, so the files below
//! `datasets/builtin` can be reproduced byte by byte.

pub mod base_model;
mod error;
pub mod files;
pub mod miniature;
pub mod suite;
pub mod vocabulary;

pub use error::SyntheticError;
