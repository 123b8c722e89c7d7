//! Generates and scores a model's answers.

use lm::{Decoding, GenerationOptions, LanguageModel, TextTokenizer};

use crate::error::ContinualError;
use crate::protocol::{EvaluationSet, Question};

/// Answers and their score.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Score of all answers together, in `[0, 100]`.
    pub score: f64,
    /// One answer per question, in the questions' order.
    pub answers: Vec<String>,
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
        for (&index, ids) in indices.iter().zip(model.generate(&prompts, &options)) {
            answers[index] = tokenizer.decode(&ids, true)?;
        }
        on_answers(indices.len())?;
    }
    let texts =
        |field: fn(&Question) -> &str| -> Vec<&str> { set.questions.iter().map(field).collect() };
    let score = set.scorer.score(
        &texts(|question| &question.prompt),
        &answers.iter().map(String::as_str).collect::<Vec<_>>(),
        &texts(|question| &question.reference),
    );
    Ok(Evaluation { score, answers })
}
