//! Tokenizes rows, and counts truncated rows.

use benchmarks::Row;
use burn::data::dataset::{Dataset, DatasetError};
use continual::Question;
use lm::{Example, Framing, LmError, TextTokenizer};
use rayon::prelude::*;

use super::limits::SplitRows;

/// Rows to learn from, tokenized whenever they are read; each has at most `max_length` tokens.
///
/// Burn's `MapperDataset` does the same for what cannot fail; a text can.
pub struct TokenizedRows {
    /// The rows.
    pub rows: SplitRows,
    /// Tokens of the model.
    pub tokenizer: TextTokenizer,
    /// Maximum length in tokens.
    pub max_length: usize,
}

impl Dataset<Example> for TokenizedRows {
    fn get(&self, index: usize) -> Result<Example, DatasetError> {
        let row = self.rows.get(index)?;
        let example = self
            .tokenizer
            .example(&row.prompt, &row.answer, self.max_length);
        example.map_err(|error: LmError| DatasetError::new(error))
    }

    fn len(&self) -> usize {
        self.rows.len()
    }
}

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

/// Checks rows to learn from, on all cores, and counts those that are longer than `max_length`
/// tokens.
///
/// # Errors
///
/// The first row whose prompt or answer has no token.
pub fn check_examples(
    rows: &dyn Dataset<Row>,
    max_length: usize,
    tokenizer: &TextTokenizer,
) -> Result<Cut, BadRow> {
    let mut cut = Cut {
        rows: rows.len(),
        ..Cut::default()
    };
    let checked = in_order(rows, |row| {
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
        let (example, lost) = tokenizer.fit(&tokens, max_length);
        let prompt = example.prompt.len() + lost.prompt;
        let answer = example.answer.len() + lost.answer + usize::from(lost.end);
        let length = match tokenizer.framing() {
            Framing::Continuation => prompt + answer,
            Framing::TextToText => prompt.max(answer),
        };
        Ok((lost, length))
    })?;
    for (lost, length) in checked.into_iter().filter(|(lost, _)| lost.any()) {
        cut.cut += 1;
        cut.prompt += usize::from(lost.prompt > 0);
        cut.answer += usize::from(lost.answer > 0);
        cut.end += usize::from(lost.end);
        cut.longest = cut.longest.max(length);
    }
    Ok(cut)
}

/// Tokenizes questions; each prompt has at most `max_length` tokens.
///
/// # Errors
///
/// The first row whose prompt has no token.
pub fn questions(
    rows: &dyn Dataset<Row>,
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
        let question = Question {
            tokens: prompt,
            prompt: row.prompt,
            reference: row.answer,
        };
        Ok((question, lost, tokens.answer_tokens))
    })?;
    let mut questions = Vec::with_capacity(tokenized.len());
    for (question, lost, answer) in tokenized {
        cut.prompt += usize::from(lost > 0);
        cut.longest = cut.longest.max(question.tokens.len() + lost);
        cut.unanswerable += usize::from(answer > max_new_tokens);
        cut.longest_answer = cut.longest_answer.max(answer);
        questions.push(question);
    }
    Ok((questions, cut))
}

/// Processes the rows in parallel and keeps their order. The error is that of the first bad row,
/// however the threads share the work.
fn in_order<T: Send>(
    rows: &dyn Dataset<Row>,
    work: impl Fn(Row) -> Result<T, String> + Sync + Send,
) -> Result<Vec<T>, BadRow> {
    let read = |index| rows.get(index).map_err(|error| error.to_string());
    let results: Vec<Result<T, String>> = (0..rows.len())
        .into_par_iter()
        .map(|index| work(read(index)?))
        .collect();
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
