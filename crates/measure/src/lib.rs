//! Measurements of the toolkit itself.
//!
//! [`mod@bench`] measures time and memory of training steps, [`scaling`] how they grow.
//! [`portability`] compares backends. [`batch`] runs whatever a folder of results lacks: for [`study`], which
//! compares many variants at many learning rates, for [`sweep`], which searches hyperparameters, and for
//! [`compare`], which compares methods. [`inspect`] shows what a split protects in a model.

#[macro_use(println, eprintln)]
extern crate report;

pub mod batch;
pub mod bench;
pub mod compare;
pub mod inspect;
pub mod portability;
pub mod scaling;
pub mod study;
pub mod sweep;
