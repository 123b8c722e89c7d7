//! What measures the toolkit itself: time and memory of training steps ([`mod@bench`]), how they grow
//! ([`scaling`]), backends against each other ([`portability`]), many variants at many learning rates
//! ([`study`]), and what a split sees in a model ([`inspect`]).

#[macro_use(println, eprintln)]
extern crate report;

pub mod bench;
pub mod inspect;
pub mod portability;
pub mod scaling;
pub mod study;
