//! Scores of single texts, equal to those of the Python packages that TRACE uses.

mod fuzzy;
mod rouge_l;
mod sari;

pub use fuzzy::{fuzzy_ratio, undo_literals};
pub use rouge_l::rouge_l;
pub use sari::sari;
