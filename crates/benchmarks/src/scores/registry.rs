//! The list of scores.

use super::{Score, TaskScore};

/// Scores by their names in a `suite.json`.
#[derive(Clone, Debug)]
pub struct Scores(Vec<Score>);

impl Scores {
    /// The scores of TRACE and of the CL benchmark.
    pub fn builtin() -> Self {
        Self(vec![
            // One line per score.
            Score::accuracy(),
            Score::exact_match(),
            Score::first_character(),
            Score::rouge_l(),
            Score::sari(),
            Score::fuzzy_ratio(),
        ])
    }

    /// Adds a score, or replaces the score of the same name.
    #[must_use]
    pub fn with(mut self, score: impl TaskScore + 'static) -> Self {
        let score = Score::new(score);
        self.0.retain(|other| *other != score);
        self.0.push(score);
        self
    }

    /// All scores.
    pub fn iter(&self) -> impl Iterator<Item = &Score> {
        self.0.iter()
    }

    /// The score of a name; `None` if there is none.
    pub fn find(&self, name: &str) -> Option<&Score> {
        self.iter().find(|score| score.name() == name)
    }

    /// The names of all scores.
    pub fn names(&self) -> Vec<&'static str> {
        self.iter().map(Score::name).collect()
    }
}

impl Default for Scores {
    fn default() -> Self {
        Self::builtin()
    }
}
