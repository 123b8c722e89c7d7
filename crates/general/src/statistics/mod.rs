//! Means over rows with their uncertainty, and tests of pairs.

mod bootstrap;
mod sample;
mod sign_test;

pub use bootstrap::{Bootstrap, Interval};
pub use sample::{GroupMean, Observation, Sample};
pub use sign_test::{SignTest, sign_test};
