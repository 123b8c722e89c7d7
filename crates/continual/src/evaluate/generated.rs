//! Generates and scores a model's answers.

use lm::{Decoding, GenerationOptions, LanguageModel, TextTokenizer};
use serde::{Deserialize, Serialize};

use crate::error::ContinualError;
use crate::protocol::{EvaluationSet, Question};

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
    /// no list of them.
    pub in_format: Option<f64>,
}

/// Generates an answer to every question, `batch` questions at a time, and scores the answers.
///
/// Questions of similar length share a batch. With greedy decoding, the batch size changes no
/// answer beyond rounding. `on_answers` receives the number of answers of each batch; its error
/// ends the evaluation.
///
/// # Errors
///
/// [`ContinualError::Lm`] if an answer cannot be decoded, and the error of `on_answers`.
pub fn evaluate<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    set: &EvaluationSet,
    batch: usize,
    decoding: Decoding,
    on_answers: &mut dyn FnMut(usize) -> Result<(), ContinualError>,
) -> Result<Evaluation, ContinualError> {
    let model = model.valid();
    let stop = tokenizer.stop_tokens().to_vec();
    let mut options = GenerationOptions::greedy(set.max_new_tokens, stop);
    let mut order: Vec<usize> = (0..set.questions.len()).collect();
    order.sort_by_key(|&index| set.questions[index].tokens.len());
    let mut answers = vec![String::new(); set.questions.len()];
    for (number, indices) in order.chunks(batch.max(1)).enumerate() {
        options.decoding = match decoding {
            Decoding::Greedy => Decoding::Greedy,
            // Each batch needs its own random stream, or all batches draw alike.
            Decoding::Sample {
                temperature,
                top_k,
                top_p,
                seed,
            } => Decoding::Sample {
                temperature,
                top_k,
                top_p,
                seed: seed.wrapping_add(number as u64),
            },
        };
        let prompts: Vec<Vec<u32>> = indices
            .iter()
            .map(|&index| set.questions[index].tokens.clone())
            .collect();
        let shared = shared_beginning(&prompts);
        let prefix = prompts[0][..shared].to_vec();
        let rest: Vec<Vec<u32>> = prompts.iter().map(|row| row[shared..].to_vec()).collect();
        let outputs = model.generate_behind(&prefix, &rest, &options, &mut |_, _| false);
        for (&index, ids) in indices.iter().zip(outputs) {
            answers[index] = tokenizer.decode(&ids, true)?;
        }
        on_answers(indices.len())?;
    }
    let texts =
        |field: fn(&Question) -> &str| -> Vec<&str> { set.questions.iter().map(field).collect() };
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
    Ok(Evaluation {
        score: set.scorer.score(&prompts, &given, &references),
        rows,
        answers,
    })
}

/// The fewest tokens for which a beginning is read apart.
const WORTH_SHARING: usize = 32;

/// Number of tokens that all prompts begin with, such as an instruction, of which each prompt has more; 0 if there are too
/// few of them to be worth reading once.
fn shared_beginning(prompts: &[Vec<u32>]) -> usize {
    let [first, others @ ..] = prompts else {
        return 0;
    };
    let alike = |other: &Vec<u32>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    let longest = prompts.iter().map(|row| row.len().saturating_sub(1)).min();
    let shared = others.iter().map(alike).chain(longest).min().unwrap_or(0);
    match others.is_empty() || shared < WORTH_SHARING {
        true => 0,
        false => shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_beginning_that_every_prompt_goes_on_from_is_shared() {
        let begin: Vec<u32> = (0..40).collect();
        let row = |shared: usize, own: &[u32]| [&begin[..shared], own].concat();
        assert_eq!(shared_beginning(&[row(40, &[7]), row(40, &[8, 9])]), 40);
        assert_eq!(shared_beginning(&[row(36, &[99]), row(40, &[8])]), 36);
        // A prompt keeps a token of its own.
        assert_eq!(shared_beginning(&[row(40, &[]), row(40, &[8])]), 39);
        assert_eq!(shared_beginning(&[row(20, &[7]), row(20, &[8])]), 0);
        assert_eq!(shared_beginning(&[row(40, &[7])]), 0);
        assert_eq!(shared_beginning(&[row(40, &[7]), Vec::new()]), 0);
        assert_eq!(shared_beginning(&[]), 0);
    }
}
