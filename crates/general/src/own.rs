//! A user's own file of questions.

use std::path::Path;

use benchmarks::Score;
use serde::Deserialize;
use serde_json::Value;

use crate::choice::{most_likely, most_likely_per_character};
use crate::error::GeneralError;
use crate::files::{self, Line};
use crate::request::{Prompt, Request, Scope};
use crate::statistics::GroupMean;
use crate::suite::{Expected, Grading, Rules, Suite, SuiteRow};
use crate::text::{overlap, words};

/// How answers to a user's own questions are generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSettings {
    /// Most tokens of an answer.
    pub max_new_tokens: usize,
    /// Texts at which an answer ends.
    pub stop: Vec<String>,
}

impl Default for OwnSettings {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            stop: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Row {
    prompt: String,
    answer: Value,
    choices: Option<Vec<String>>,
}

/// Opens a file of JSON lines as a suite: `{"prompt", "answer"}` with a text as the answer, or
/// `{"prompt", "choices", "answer"}` with the index of the right choice, from 0. All rows have
/// the same form, and other keys are ignored.
///
/// Texts are scored by exact match (but for case, punctuation and white space; numbers with their signs and points), F1 of
/// words, and ROUGE-L; choices by their log-probability, as a whole and per character. Nothing is put between
/// a prompt and its answer, so a choice that is a word of its own begins with a space.
///
/// # Errors
///
/// [`GeneralError::Io`], [`GeneralError::File`], and [`GeneralError::Line`] with what is wrong with
/// a row; [`GeneralError::Setting`] if an answer may have no token.
pub fn open_own(path: &Path, settings: &OwnSettings) -> Result<Suite, GeneralError> {
    if settings.max_new_tokens == 0 {
        return Err(GeneralError::Setting {
            setting: "the number of tokens to generate",
            expected: "at least 1",
            found: "0".to_string(),
        });
    }
    let rows = files::rows::<Row>(path)?;
    let has_choices = rows.first().is_some_and(|line| line.row.choices.is_some());
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut questions = Vec::with_capacity(rows.len());
    for Line { number, row } in rows {
        if row.choices.is_some() != has_choices {
            let reason = "some rows have choices and some have none: one file for each";
            return Err(GeneralError::line(path, number, reason));
        }
        let question =
            question(row, settings).map_err(|reason| GeneralError::line(path, number, reason))?;
        questions.push((name.clone(), question.0, question.1));
    }
    let rules = Rules {
        name,
        protocol: None,
        version: 2,
        mean: GroupMean::Rows,
        grading: match has_choices {
            true => Grading::Choice(&[
                ("accuracy", most_likely),
                ("accuracy_per_character", most_likely_per_character),
            ]),
            false => Grading::Text(&[
                ("exact_match", exact_match),
                ("word_f1", word_f1),
                ("rouge_l", rouge),
            ]),
        },
    };
    Ok(Suite::new(rules, questions))
}

/// What a row asks, and its right answer; or what is wrong with it.
fn question(row: Row, settings: &OwnSettings) -> Result<(Request, Expected), String> {
    if row.prompt.trim().is_empty() {
        return Err("the prompt is empty".to_string());
    }
    let prompt = Prompt::alone(row.prompt);
    match (row.choices, row.answer) {
        (None, Value::String(answer)) => {
            // An empty answer would score 0 whatever the model says.
            if answer.trim().is_empty() {
                return Err("the answer is empty".to_string());
            }
            let request = Request::Generate {
                prompt,
                stop: settings.stop.clone(),
                max_new_tokens: settings.max_new_tokens,
            };
            Ok((request, Expected::Texts(vec![answer])))
        }
        (None, answer) => Err(format!(
            "the answer is {answer}, but there are no choices: write it as a text"
        )),
        (Some(choices), answer) => {
            let Some(index) = answer.as_u64() else {
                return Err(format!(
                    "the answer must be the index of a choice, from 0, and is {answer}"
                ));
            };
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            if choices.len() < 2 || choices.iter().any(|choice| choice.trim().is_empty()) {
                return Err("expected at least two choices, none of them empty".to_string());
            }
            if index >= choices.len() {
                return Err(format!(
                    "the answer is choice {index} (from 0), but there are {} choices",
                    choices.len()
                ));
            }
            let request = Request::Choose {
                prompt,
                choices,
                scope: Scope::Choice,
            };
            Ok((request, Expected::Choice(index)))
        }
    }
}

/// The best score over the right answers, of which a user's row has one.
fn best(row: &SuiteRow, score: impl Fn(&str) -> f64) -> f64 {
    let scores = row.texts().iter().map(|answer| score(answer));
    scores.fold(0.0, f64::max)
}

fn exact_match(row: &SuiteRow, output: &str) -> f64 {
    best(row, |answer| {
        // Without its punctuation, nothing would be left of an operator.
        if !answer.chars().any(char::is_alphanumeric) {
            return 100.0 * f64::from(u8::from(output.trim() == answer.trim()));
        }
        match numbers(output) == numbers(answer) {
            true => Score::exact_match().row_score("", output, answer),
            false => 0.0,
        }
    })
}

/// The numbers of a text with their signs and decimal points, which exact match ignores as punctuation: `-5` is not `5`,
/// nor `3.5` `35`; `1,234` is `1234`.
fn numbers(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut number = String::new();
    let (mut before, mut second) = (' ', ' ');
    for letter in text.chars().chain([' ']) {
        // Within a word it is a hyphen.
        let has_sign = before == '-' && !second.is_alphanumeric();
        match letter {
            '0'..='9' => {
                if number.is_empty() && has_sign {
                    number.push('-');
                }
                number.push(letter);
            }
            '.' if !number.is_empty() && !number.contains('.') => number.push(letter),
            ',' if !number.is_empty() => {}
            _ if !number.is_empty() => {
                found.push(number.trim_end_matches('.').to_string());
                number.clear();
            }
            _ => {}
        }
        (before, second) = (letter, before);
    }
    found
}

fn rouge(row: &SuiteRow, output: &str) -> f64 {
    best(row, |answer| Score::rouge_l().row_score("", output, answer))
}

fn word_f1(row: &SuiteRow, output: &str) -> f64 {
    let output = normalized(output);
    best(row, |answer| 100.0 * overlap(&output, &normalized(answer)))
}

/// Words in lower case, without ASCII punctuation and English articles.
///
/// # References
///
/// `normalize_answer` of SQuAD's `evaluate-v1.1.py`.
fn normalized(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let letters: String = lower
        .chars()
        .filter(|character| !character.is_ascii_punctuation())
        .collect();
    let is_article = |word: &&str| ["a", "an", "the"].contains(word);
    let words = words(&letters).filter(|word| !is_article(word));
    words.map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(answer: &str) -> SuiteRow {
        SuiteRow {
            name: String::new(),
            group: String::new(),
            request: Request::Generate {
                prompt: Prompt::alone("p".to_string()),
                stop: Vec::new(),
                max_new_tokens: 1,
            },
            expected: Expected::Texts(vec![answer.to_string()]),
        }
    }

    #[test]
    fn exact_match_ignores_punctuation_but_not_signs_points_and_operators() {
        for (answer, output) in [
            ("-5", "-5."),
            ("3.5", " 3.5"),
            ("1,234", "1234"),
            ("The Cat", "the cat!"),
            ("covid-19", "Covid19"),
            ("<=", " <="),
        ] {
            assert!(
                exact_match(&row(answer), output) == 100.0,
                "{answer} {output}"
            );
        }
        for (answer, output) in [
            ("-5", "5"),
            ("5", "-5"),
            ("3.5", "35"),
            ("<=", ">="),
            ("<=", ""),
        ] {
            assert!(
                exact_match(&row(answer), output) == 0.0,
                "{answer} {output}"
            );
        }
    }

    #[test]
    fn numbers_are_found_with_their_signs_and_points() {
        let expected = ["-5", "3.5", "1234", "19", "0.5", "2"];
        assert_eq!(numbers("-5, 3.5 and 1,234; covid-19 (0.5). 2."), expected);
    }
}
