//! Answers to held-out questions.

use anyhow::Result;
use benchmarks::Score;
use lm::{GenerationOptions, LanguageModel, TextTokenizer};
use rows::Question;
use runs::Progress;

/// Answers with their scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    /// One answer per question, in their order.
    pub answers: Vec<String>,
    /// Share of the answers whose result equals that of the reference, in percent.
    pub exact: f64,
    /// Mean ROUGE-L of the answers, in percent.
    pub rouge_l: f64,
}

/// How answers are generated and compared.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Questions per batch.
    pub batch: usize,
    /// Text after which the result of an answer stands; the whole answer counts if empty.
    pub answer_after: &'a str,
}

/// Answers questions greedily and compares the answers with the expected ones.
///
/// # Errors
///
/// If an answer cannot be decoded.
pub fn answers<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    questions: &[Question],
    asking: Asking<'_>,
    progress: &Progress,
) -> Result<Answered> {
    if questions.is_empty() {
        return Ok(Answered::default());
    }
    let options =
        GenerationOptions::greedy(asking.max_new_tokens, tokenizer.stop_tokens().to_vec());
    let mut order: Vec<usize> = (0..questions.len()).collect();
    order.sort_by_key(|&question| questions[question].tokens.len());
    let mut answers = vec![String::new(); questions.len()];
    for chosen in order.chunks(asking.batch.max(1)) {
        let prompts: Vec<Vec<u32>> = chosen
            .iter()
            .map(|&question| questions[question].tokens.clone())
            .collect();
        for (&question, ids) in chosen.iter().zip(model.generate(&prompts, &options)) {
            answers[question] = tokenizer.decode(&ids, true)?;
        }
        progress.advance(chosen.len() as u64, "answering held-out questions");
    }
    let rouge = Score::rouge_l();
    let (mut exact, mut rouge_l) = (0.0, 0.0);
    for (question, answer) in questions.iter().zip(&answers) {
        let result = |text| result_of(text, asking.answer_after);
        if result(answer) == result(&question.reference) {
            exact += 100.0;
        }
        rouge_l += rouge.row_score(&question.prompt, answer, &question.reference);
    }
    let count = questions.len() as f64;
    Ok(Answered {
        answers,
        exact: exact / count,
        rouge_l: rouge_l / count,
    })
}

/// The part of an answer that counts: what follows the last marker, or all of it without a marker.
fn result_of<'a>(answer: &'a str, answer_after: &str) -> &'a str {
    let result = match answer_after {
        "" => answer,
        marker => answer.rsplit(marker).next().unwrap_or(answer),
    };
    result.trim()
}

#[cfg(test)]
mod tests {
    use super::result_of;

    #[test]
    fn a_result_stands_after_the_last_marker() {
        assert_eq!(result_of(" 3 + 4 = 7 #### 7\n", "####"), "7");
        assert_eq!(result_of("a #### b #### c", "####"), "c");
        assert_eq!(result_of(" seven ", "####"), "seven");
        assert_eq!(result_of(" seven ", ""), "seven");
    }
}
