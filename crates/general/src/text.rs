//! Text functions that behave as those of Python's `str`, in which both protocols are written.

use std::collections::HashMap;
use std::hash::Hash;

use regex::Regex;

/// White space as in Python's `str`, which includes four ASCII separators that Unicode excludes.
pub(crate) fn is_white_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The text without white space around it, as from `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_white_space)
}

/// Words, as from `str.split()`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_white_space).filter(|word| !word.is_empty())
}

/// The text before the first of these texts in it; the whole text if there is none.
pub(crate) fn before<'a>(text: &'a str, ends: &[impl AsRef<str>]) -> &'a str {
    let ends = ends.iter().map(AsRef::as_ref);
    let found = ends.filter(|end| !end.is_empty());
    let first = found.filter_map(|end| text.find(end)).min();
    &text[..first.unwrap_or(text.len())]
}

/// F1 in `[0, 1]` of the items that both lists have, each as often as in the list that has it less
/// often; 0 if there are none.
///
/// # References
///
/// `f1_score` of SQuAD's `evaluate-v1.1.py`.
pub(crate) fn overlap<T: Eq + Hash>(answer: &[T], reference: &[T]) -> f64 {
    let mut left: HashMap<&T, usize> = HashMap::new();
    for item in reference {
        *left.entry(item).or_default() += 1;
    }
    let mut shared = 0;
    for item in answer {
        if let Some(count) = left.get_mut(item).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 {
        return 0.0;
    }
    let precision = f64::from(shared) / answer.len() as f64;
    let recall = f64::from(shared) / reference.len() as f64;
    2.0 * precision * recall / (precision + recall)
}

/// The score of an answer that is either right or wrong, in percent.
pub(crate) fn all_or_nothing(right: bool) -> f64 {
    if right { 100.0 } else { 0.0 }
}

/// A regular expression that is part of the source.
pub(crate) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern is valid")
}
