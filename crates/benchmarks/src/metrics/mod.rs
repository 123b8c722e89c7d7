//! Scores of single texts, equal to those of the Python packages that TRACE uses.

mod fuzzy;
mod rouge_l;
mod sari;

pub use fuzzy::{fuzzy_ratio, undo_literals};
pub use rouge_l::rouge_l;
pub use sari::sari;

/// Words as Python's `str.split()` gives them, which also splits at the four ASCII separators that
/// Unicode does not count as white space.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
        .filter(|word| !word.is_empty())
}
