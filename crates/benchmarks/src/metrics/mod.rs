//! Scores of single texts, equal to those of the Python packages that TRACE uses.

mod fuzzy;
mod rouge_l;
mod sari;

pub use fuzzy::{fuzzy_ratio, undo_literals};
pub use rouge_l::rouge_l;
pub use sari::sari;

/// White space as Python's `str` knows it: also the four ASCII separators that Unicode does not count.
pub(crate) fn is_white_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Words as Python's `str.split()` gives them.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_white_space).filter(|word| !word.is_empty())
}
