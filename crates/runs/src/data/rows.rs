//! Rows as tokens, on all cores, with a count of what does not fit.

use benchmarks::Row;
use continual::Question;
use lm::{Example, Framing, TextTokenizer};
use rayon::prelude::*;

/// A row that cannot be used.
pub struct BadRow {
    /// Its place among the rows that were given.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// How many rows lose what, where they are longer than a run allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// All rows.
    pub rows: usize,
    /// Those that lose anything.
    pub cut: usize,
    /// Those that lose a part of their prompt.
    pub prompt: usize,
    /// Those that lose a part of their answer.
    pub answer: usize,
    /// Those that lose the token that ends an answer.
    pub end: usize,
    /// Tokens of the longest one that loses anything, whole: as a continuation of prompt and answer
    /// together, as text to text of the longer of the two, since each has the limit to itself.
    pub longest: usize,
}

/// How many questions lose a part of their prompt, or cannot be answered in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuestionCut {
    /// All questions.
    pub questions: usize,
    /// Those whose prompt loses a part.
    pub prompt: usize,
    /// Tokens of the longest prompt, whole.
    pub longest: usize,
    /// Those whose expected answer is longer than what is generated.
    pub unanswerable: usize,
    /// Tokens of the longest expected answer.
    pub longest_answer: usize,
}

/// Rows to learn from, each within `max_length` tokens.
///
/// # Errors
///
/// The first row whose prompt or answer has no token of its own.
pub fn examples(
    rows: &[Row],
    max_length: usize,
    tokenizer: &TextTokenizer,
) -> Result<(Vec<Example>, Cut), BadRow> {
    let mut cut = Cut {
        rows: rows.len(),
        ..Cut::default()
    };
    let found = in_order(rows, |row| {
        let whole = tokenizer.row(&row.prompt, &row.answer);
        let whole = whole.map_err(|error| error.to_string())?;
        for (what, text, tokens) in [
            ("prompt", &row.prompt, whole.prompt_tokens),
            ("answer", &row.answer, whole.answer_tokens),
        ] {
            if tokens == 0 {
                return Err(without_token(what, text));
            }
        }
        Ok(tokenizer.fit(&whole, max_length))
    })?;
    let mut examples = Vec::with_capacity(found.len());
    for (example, lost) in found {
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

/// Rows to be answered, each prompt within `max_length` tokens.
///
/// # Errors
///
/// The first row whose prompt has no token of its own.
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
    let found = in_order(rows, |row| {
        let whole = tokenizer.row(&row.prompt, &row.answer);
        let whole = whole.map_err(|error| error.to_string())?;
        if whole.prompt_tokens == 0 {
            return Err(without_token("prompt", &row.prompt));
        }
        let (tokens, lost) = tokenizer.fit_question(&whole.prompt, max_length, max_new_tokens);
        Ok((tokens, lost, whole.answer_tokens))
    })?;
    let mut questions = Vec::with_capacity(found.len());
    for (row, (tokens, lost, answer)) in rows.iter().zip(found) {
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

/// Every row by itself; the error is that of the first bad row, however the work was shared out.
fn in_order<T: Send>(
    rows: &[Row],
    work: impl Fn(&Row) -> Result<T, String> + Sync + Send,
) -> Result<Vec<T>, BadRow> {
    let found: Vec<Result<T, String>> = rows.par_iter().map(work).collect();
    found
        .into_iter()
        .enumerate()
        .map(|(index, found)| found.map_err(|reason| BadRow { index, reason }))
        .collect()
}

fn without_token(what: &str, text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("the tokenizer finds no token in the {what} {shown:?}")
}
