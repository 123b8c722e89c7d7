//! Tokenizes rows on all cores, and counts truncated rows.

use benchmarks::Row;
use continual::Question;
use lm::{Example, Framing, TextTokenizer};
use rayon::prelude::*;

/// A row that cannot be used.
pub struct BadRow {
    /// Its index among the given rows.
    pub index: usize,
    /// Why it cannot be used.
    pub reason: String,
}

/// How many rows exceed the length limit, and which parts they lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// All rows.
    pub rows: usize,
    /// Truncated rows.
    pub cut: usize,
    /// Rows that lose a part of their prompt.
    pub prompt: usize,
    /// Rows that lose a part of their answer.
    pub answer: usize,
    /// Rows that lose the end token of their answer.
    pub end: usize,
    /// Length in tokens of the longest truncated row before truncation: prompt and answer together
    /// in a decoder-only model; the longer of the two in an encoder-decoder model, where each has
    /// the limit to itself.
    pub longest: usize,
}

/// How many questions lose a part of their prompt, or have an answer longer than the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuestionCut {
    /// All questions.
    pub questions: usize,
    /// Questions that lose a part of their prompt.
    pub prompt: usize,
    /// Length in tokens of the longest prompt before truncation.
    pub longest: usize,
    /// Questions whose expected answer is longer than the generated answers.
    pub unanswerable: usize,
    /// Length in tokens of the longest expected answer.
    pub longest_answer: usize,
}

/// Tokenizes rows to learn from; each has at most `max_length` tokens.
///
/// # Errors
///
/// The first row whose prompt or answer has no token.
pub fn examples(
    rows: &[Row],
    max_length: usize,
    tokenizer: &TextTokenizer,
) -> Result<(Vec<Example>, Cut), BadRow> {
    let mut cut = Cut {
        rows: rows.len(),
        ..Cut::default()
    };
    let tokenized = in_order(rows, |row| {
        let tokens = tokenizer.row(&row.prompt, &row.answer);
        let tokens = tokens.map_err(|error| error.to_string())?;
        for (what, text, tokens) in [
            ("prompt", &row.prompt, tokens.prompt_tokens),
            ("answer", &row.answer, tokens.answer_tokens),
        ] {
            if tokens == 0 {
                return Err(without_token(what, text));
            }
        }
        Ok(tokenizer.fit(&tokens, max_length))
    })?;
    let mut examples = Vec::with_capacity(tokenized.len());
    for (example, lost) in tokenized {
        let tokens = lost.prompt + lost.answer + usize::from(lost.end);
        cut.cut += usize::from(tokens > 0);
        cut.prompt += usize::from(lost.prompt > 0);
        cut.answer += usize::from(lost.answer > 0);
        cut.end += usize::from(lost.end);
        if tokens > 0 {
            let prompt = example.prompt.len() + lost.prompt;
            let answer = example.answer.len() + lost.answer + usize::from(lost.end);
            cut.longest = cut.longest.max(match tokenizer.framing() {
                Framing::Continuation => prompt + answer,
                Framing::TextToText => prompt.max(answer),
            });
        }
        examples.push(example);
    }
    Ok((examples, cut))
}

/// Tokenizes questions; each prompt has at most `max_length` tokens.
///
/// # Errors
///
/// The first row whose prompt has no token.
pub fn questions(
    rows: &[Row],
    max_length: usize,
    max_new_tokens: usize,
    tokenizer: &TextTokenizer,
) -> Result<(Vec<Question>, QuestionCut), BadRow> {
    let mut cut = QuestionCut {
        questions: rows.len(),
        ..QuestionCut::default()
    };
    let tokenized = in_order(rows, |row| {
        let tokens = tokenizer.row(&row.prompt, &row.answer);
        let tokens = tokens.map_err(|error| error.to_string())?;
        if tokens.prompt_tokens == 0 {
            return Err(without_token("prompt", &row.prompt));
        }
        let (prompt, lost) = tokenizer.fit_question(&tokens.prompt, max_length, max_new_tokens);
        Ok((prompt, lost, tokens.answer_tokens))
    })?;
    let mut questions = Vec::with_capacity(tokenized.len());
    for (row, (tokens, lost, answer)) in rows.iter().zip(tokenized) {
        cut.prompt += usize::from(lost > 0);
        cut.longest = cut.longest.max(tokens.len() + lost);
        cut.unanswerable += usize::from(answer > max_new_tokens);
        cut.longest_answer = cut.longest_answer.max(answer);
        questions.push(Question {
            tokens,
            prompt: row.prompt.clone(),
            reference: row.answer.clone(),
        });
    }
    Ok((questions, cut))
}

/// Processes the rows in parallel and keeps their order. The error is that of the first bad row,
/// however the threads share the work.
fn in_order<T: Send>(
    rows: &[Row],
    work: impl Fn(&Row) -> Result<T, String> + Sync + Send,
) -> Result<Vec<T>, BadRow> {
    let results: Vec<Result<T, String>> = rows.par_iter().map(work).collect();
    results
        .into_iter()
        .enumerate()
        .map(|(index, results)| results.map_err(|reason| BadRow { index, reason }))
        .collect()
}

fn without_token(what: &str, text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("the tokenizer finds no token in the {what} {shown:?}")
}
