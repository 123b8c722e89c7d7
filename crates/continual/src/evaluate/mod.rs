//! Answers of a model, generated or chosen by their likelihood, and their scores.

mod batches;
mod generated;
mod likelihood;

use serde::{Deserialize, Serialize};

use crate::protocol::{EvaluationSet, Question};

pub use generated::evaluate;
pub use likelihood::evaluate_by_likelihood;

/// Answers and their score.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Score of all answers together, in `[0, 100]`.
    pub score: f64,
    /// One answer per question, in the questions' order.
    pub answers: Vec<String>,
    /// The scores of the single answers.
    pub rows: AnswerScores,
}

/// What is known of every answer to the questions of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerScores {
    /// The score of every answer alone, in `[0, 100]`, in the questions' order.
    pub scores: Vec<f64>,
    /// Share of the answers that are among the answers that the task allows, in percent; `None` if it has
    /// no list of them, or the answers were chosen from it.
    pub in_format: Option<f64>,
}

impl Evaluation {
    /// Scores the answers to all questions.
    fn of(set: &EvaluationSet, answers: Vec<String>) -> Self {
        let texts = |field: fn(&Question) -> &str| -> Vec<&str> {
            set.questions.iter().map(field).collect()
        };
        let prompts = texts(|question| &question.prompt);
        let given: Vec<&str> = answers.iter().map(String::as_str).collect();
        let references = texts(|question| &question.reference);
        let allowed = given.iter().map(|answer| set.scorer.in_format(answer));
        let allowed: Option<Vec<bool>> = allowed.collect();
        let rows = AnswerScores {
            scores: set.scorer.row_scores(&prompts, &given, &references),
            in_format: allowed.filter(|all| !all.is_empty()).map(|all| {
                let count = all.iter().filter(|allowed| **allowed).count();
                100.0 * count as f64 / all.len() as f64
            }),
        };
        Self {
            score: set.scorer.score(&prompts, &given, &references),
            rows,
            answers,
        }
    }
}
