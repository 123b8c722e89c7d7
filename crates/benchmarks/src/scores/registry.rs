//! The list of scores.

use super::{Score, TaskScore};

/// Scores by the names that a `suite.json` calls them.
#[derive(Clone, Debug)]
pub struct Scores(Vec<Score>);

impl Scores {
    /// The scores of TRACE and of the CL benchmark.
    pub fn builtin() -> Self {
        Self(vec![
            // One line each.
            Score::accuracy(),
            Score::exact_match(),
            Score::first_character(),
            Score::rouge_l(),
            Score::sari(),
            Score::fuzzy_ratio(),
        ])
    }

    /// The same list with one more; it takes the place of one with the same name.
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

    /// The score of a name.
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
