//! Measurements of the toolkit itself.
//!
//! [`mod@bench`] measures time and memory of training steps, [`scaling`] how they grow.
//! [`portability`] compares backends, and [`study`] compares many variants at many learning rates.
//! [`inspect`] shows what a split protects in a model, [`curvature`] whether the loss is curved there.

#[macro_use(println, eprintln)]
extern crate report;

pub mod bench;
pub mod curvature;
pub mod inspect;
pub mod portability;
pub mod scaling;
pub mod study;
