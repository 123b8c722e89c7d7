//! Edit similarity, and the code literals of Py150.

use std::sync::LazyLock;

use rapidfuzz::distance::indel;
use regex::Regex;

use super::text::first_line;
use super::{Score, TaskScore};

#[derive(Debug)]
struct FuzzyRatio;

impl TaskScore for FuzzyRatio {
    fn name(&self) -> &'static str {
        "fuzzy_ratio"
    }

    fn help(&self) -> &'static str {
        "Edit similarity of the first lines, which also end at <EOL>, after undoing the literals of code"
    }

    fn row_score(&self, _prompt: &str, answer: &str, reference: &str) -> f64 {
        let code = |text: &str| undo_literals(first_line(until_end_of_line(text)));
        f64::from(fuzzy_ratio(&code(answer), &code(reference)))
    }
}

impl Score {
    /// Edit similarity of the first lines, after code literals are restored; `<EOL>` also ends a
    /// line.
    pub fn fuzzy_ratio() -> Self {
        Self::new(FuzzyRatio)
    }
}

/// Py150's code is one line of text, with `<EOL>` for line breaks.
fn until_end_of_line(code: &str) -> &str {
    code.split("<EOL>").next().unwrap_or(code)
}

/// Edit similarity in `[0, 100]`: the share of the characters of both texts that insertions and
/// deletions leave in place, rounded to an integer (halves to even). It is 0 if a text is empty.
///
/// # References
///
/// `fuzz.ratio` of fuzzywuzzy 0.18 with python-Levenshtein (without it, difflib finds fewer common
/// characters). It gives 100 for two empty texts, but TRACE skips these.
pub fn fuzzy_ratio(a: &str, b: &str) -> u8 {
    // Two empty texts would be equal; one empty text shares nothing with the other anyway.
    if a.is_empty() {
        return 0;
    }
    let similarity = indel::normalized_similarity(a.chars(), b.chars());
    (100.0 * similarity).round_ties_even() as u8
}

static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?s)<(?:STR|NUM|CHAR)_LIT:(.*?)>").expect("a constant pattern is valid")
});

/// Restores the literals of Py150's normalized code: `<STR_LIT:x>` becomes `x`, a bare `<NUM_LIT>`
/// becomes `0`, and bare string and character literals become empty.
///
/// # References
///
/// `postprocess` in `evaluations/eval_Py150.py` of BeyonderXX/TRACE.
pub fn undo_literals(code: &str) -> String {
    let bare = code
        .replace("<NUM_LIT>", "0")
        .replace("<STR_LIT>", "")
        .replace("<CHAR_LIT>", "");
    // Restore one literal after another, like the original: the result of one may form the next.
    let mut code = bare.clone();
    for literal in LITERAL.captures_iter(&bare) {
        code = code.replace(&literal[0], &literal[1]);
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_similar_to_no_text() {
        assert_eq!(fuzzy_ratio("", ""), 0);
        assert_eq!(fuzzy_ratio("", "a"), 0);
        assert_eq!(fuzzy_ratio("a", ""), 0);
    }

    #[test]
    fn halves_are_rounded_to_even() {
        // 2 * 1 / 16 = 12.5 % and 2 * 3 / 16 = 37.5 %.
        assert_eq!(fuzzy_ratio("a", "abcdefghijklmno"), 12);
        assert_eq!(fuzzy_ratio("abc", "abcdefghijklm"), 38);
    }

    #[test]
    fn literals_are_restored() {
        let code = "f ( <STR_LIT> , <STR_LIT:a b> , <NUM_LIT> , <NUM_LIT:12> , <CHAR_LIT:c> )";
        assert_eq!(undo_literals(code), "f (  , a b , 0 , 12 , c )");
        assert_eq!(undo_literals("<STR_LIT:open"), "<STR_LIT:open");
        assert_eq!(undo_literals("<STR_LIT:<NUM_LIT:1>> <NUM_LIT:1>"), "1 1");
    }
}
