//! Text functions that several scores share.

/// White space as in Python's `str`, which includes four ASCII separators that Unicode excludes.
pub(super) fn is_white_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Words as from Python's `str.split()`.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_white_space).filter(|word| !word.is_empty())
}

/// The first line, without surrounding white space.
pub(super) fn first_line(text: &str) -> &str {
    let text = text.trim_matches(is_white_space);
    let line = text.lines().next().unwrap_or("");
    line.trim_end_matches(is_white_space)
}

/// The score of an answer that is either right or wrong: 100 or 0.
pub(super) fn all_or_nothing(right: bool) -> f64 {
    if right { 100.0 } else { 0.0 }
}
