//! How the answers of a task are scored.

use benchmarks::Score;
use continual::Scorer;

/// Adapts a benchmark's score to the protocol's scorer.
pub(super) struct BenchmarkScore {
    /// How answers are scored.
    pub score: Score,
    /// The answers that the task allows, as its rows write them; empty if it has no list of them.
    pub labels: Vec<String>,
}

impl Scorer for BenchmarkScore {
    fn score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        self.score.task_score(prompts, answers, references)
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn in_format(&self, answer: &str) -> Option<bool> {
        // Read like an answer that must equal the expected one: as the task scores it or, where it does not ask for that,
        // by its first line.
        let equal = match self.score.name() {
            "exact_match" => self.score.clone(),
            _ => Score::accuracy(),
        };
        let equals = |label: &String| equal.row_score("", answer, label) > 0.0;
        (!self.labels.is_empty()).then(|| self.labels.iter().any(equals))
    }
}
