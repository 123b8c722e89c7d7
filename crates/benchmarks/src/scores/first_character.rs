//! First character: the letter of a choice; an explanation may follow.

use super::text::{all_or_nothing, is_white_space};
use super::{Score, TaskScore};

#[derive(Debug)]
struct FirstCharacter;

impl TaskScore for FirstCharacter {
    fn name(&self) -> &'static str {
        "first_character"
    }

    fn help(&self) -> &'static str {
        "The first characters are equal, as of the letter of a choice that is explained afterwards"
    }

    fn row_score(&self, _prompt: &str, answer: &str, reference: &str) -> f64 {
        let first = |text: &str| text.trim_start_matches(is_white_space).chars().next();
        all_or_nothing(first(answer) == first(reference))
    }

    fn reads_whole_answer(&self) -> bool {
        false
    }
}

impl Score {
    /// First character: 100 if the first characters are equal, as the letters of a choice before
    /// its explanation; otherwise 0.
    pub fn first_character() -> Self {
        Self::new(FirstCharacter)
    }
}
