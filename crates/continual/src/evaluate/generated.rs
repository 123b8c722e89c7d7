//! Answers that a model generates.

use lm::{Decoding, GenerationOptions, LanguageModel, TextTokenizer};

use super::Evaluation;
use super::batches::batches;
use crate::error::ContinualError;
use crate::protocol::EvaluationSet;

/// Generates an answer to every question, `batch` questions at a time, and scores the answers.
///
/// Questions of similar length share a batch. With greedy decoding, the batch size changes no
/// answer beyond rounding. `on_answers` receives the number of answers of each batch; its error
/// ends the evaluation.
///
/// # Errors
///
/// [`ContinualError::EmptyQuestion`]; [`ContinualError::Lm`] if an answer cannot be decoded, and the error of `on_answers`.
pub fn evaluate<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    set: &EvaluationSet,
    batch: usize,
    decoding: Decoding,
    on_answers: &mut dyn FnMut(usize) -> Result<(), ContinualError>,
) -> Result<Evaluation, ContinualError> {
    let mut questions = set.questions.iter();
    if let Some(question) = questions.position(|question| question.tokens.is_empty()) {
        return Err(ContinualError::EmptyQuestion { question });
    }
    let model = model.valid();
    let stop = tokenizer.stop_tokens().to_vec();
    let mut options = GenerationOptions::greedy(set.max_new_tokens, stop);
    let mut answers = vec![String::new(); set.questions.len()];
    for (number, of_batch) in batches(&set.questions, batch).into_iter().enumerate() {
        options.decoding = decoding.of_batch(number);
        let (prefix, rest) = (&of_batch.prefix, &of_batch.rest);
        let outputs = model.generate_behind(prefix, rest, &options, &mut |_, _| false);
        for (&index, ids) in of_batch.questions.iter().zip(outputs) {
            answers[index] = tokenizer.decode(&ids, true)?;
        }
        on_answers(of_batch.questions.len())?;
    }
    Ok(Evaluation::of(set, answers))
}
