//! What several scores do with a text.

/// White space as Python's `str` knows it: also the four ASCII separators that Unicode does not count.
pub(super) fn is_white_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Words as Python's `str.split()` gives them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_white_space).filter(|word| !word.is_empty())
}

/// The first line, without white space around it.
pub(super) fn first_line(text: &str) -> &str {
    let text = text.trim_matches(is_white_space);
    let line = text.lines().next().unwrap_or("");
    line.trim_end_matches(is_white_space)
}

/// The score of an answer that is either right or wrong.
pub(super) fn all_or_nothing(right: bool) -> f64 {
    if right { 100.0 } else { 0.0 }
}
