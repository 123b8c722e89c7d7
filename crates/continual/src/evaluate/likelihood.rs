//! Answers that are chosen from a list by their likelihood.

use lm::{LanguageModel, TextTokenizer};

use super::batches::batches;
use super::{AnswerScores, Evaluation};
use crate::error::ContinualError;
use crate::protocol::EvaluationSet;

/// Takes the most likely of the task's labels as the answer to every question, `batch` questions at a time, and scores
/// these answers as generated ones are scored; `None` if the task has no list of labels.
///
/// The likelihood of a label is the probability with which sampling would answer with this label and nothing else: the
/// logarithms of the probabilities of its tokens and of the token that ends an answer, summed. With the end, a label that
/// another one begins with has no advantage, and different labels are different events. Not divided by the number of
/// tokens: that would favour long labels, most of whose tokens follow from the first ones. Of equals, the first label is
/// taken.
///
/// A label has the tokens that it has in a training row, where prompt and answer are tokenized apart. A prompt is read
/// once for all labels. `on_answers` receives the number of answers of each batch; its error ends the evaluation.
///
/// # Errors
///
/// [`ContinualError::Label`] for a label without a token, [`ContinualError::Lm`] for one that cannot be encoded, and the
/// error of `on_answers`.
///
/// # References
///
/// `acc` of lm-evaluation-harness also takes the first of the highest sums, without the token that ends an answer.
pub fn evaluate_by_likelihood<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    set: &EvaluationSet,
    batch: usize,
    on_answers: &mut dyn FnMut(usize) -> Result<(), ContinualError>,
) -> Result<Option<Evaluation>, ContinualError> {
    let labels = set.scorer.labels();
    if labels.is_empty() {
        return Ok(None);
    }
    let tokens = labels.iter().map(|label| label_tokens(tokenizer, label));
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    let model = model.valid();
    let mut answers = vec![String::new(); set.questions.len()];
    for of_batch in batches(&set.questions, batch) {
        let losses = model.continuation_losses(&of_batch.prefix, &of_batch.rest, &tokens);
        for (&index, losses) in of_batch.questions.iter().zip(losses) {
            answers[index].clone_from(&labels[most_likely(&losses)]);
        }
        on_answers(of_batch.questions.len())?;
    }
    let evaluation = Evaluation::of(set, answers);
    Ok(Some(Evaluation {
        rows: AnswerScores {
            in_format: None,
            ..evaluation.rows
        },
        ..evaluation
    }))
}

/// The tokens of a label as a training row has them, with those that end an answer.
fn label_tokens(tokenizer: &TextTokenizer, label: &str) -> Result<Vec<u32>, ContinualError> {
    let row = tokenizer.row("", label)?;
    if row.answer_tokens == 0 {
        return Err(ContinualError::Label {
            label: label.to_string(),
        });
    }
    Ok(tokenizer.fit(&row, usize::MAX).0.answer)
}

/// The label with the lowest sum of losses; the first one of equals.
fn most_likely(losses: &[Vec<f32>]) -> usize {
    let mut best = (0, f64::INFINITY);
    for (label, losses) in losses.iter().enumerate() {
        let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
        if sum < best.1 {
            best = (label, sum);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_sum_wins_and_of_equals_the_first() {
        let choose = |losses: &[&[f32]]| {
            let losses: Vec<Vec<f32>> = losses.iter().map(|row| row.to_vec()).collect();
            most_likely(&losses)
        };
        assert_eq!(choose(&[&[1.0, 2.0], &[2.5], &[0.5, 1.5, 2.0]]), 1);
        assert_eq!(choose(&[&[3.0], &[1.0, 1.0], &[2.0], &[1.5, 0.5]]), 1);
        // Not a number is no likelihood.
        assert_eq!(choose(&[&[f32::NAN], &[9.0]]), 1);
    }
}
