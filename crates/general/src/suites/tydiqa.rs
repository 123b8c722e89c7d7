//! TyDiQA: questions in eleven languages, answered from a passage.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde::Deserialize;

use crate::error::GeneralError;
use crate::files::{self, Line};
use crate::kind::SuiteKind;
use crate::protocol::Protocol;
use crate::request::{Prompt, Request};
use crate::statistics::GroupMean;
use crate::suite::{Expected, Grading, Rules, Suite, SuiteRow};
use crate::text::{all_or_nothing, overlap, pattern, strip, words};

/// TyDiQA's task with gold passages, without examples, in the language of the question.
///
/// # References
///
/// `tydiqa_gen_978d2a.py`, and `datasets/tydiqa.py` and `general_postprocess` of OpenCompass 0.1.5.
/// The file asks for 50 tokens in a place where OpenCompass does not read it, so that a model's own
/// setting may have replaced it. The answer is read up to the first line break, full stop or
/// comma.
#[derive(Debug)]
pub(crate) struct TyDiQa;

const ROWS: &str = "tydiqa.jsonl";
const FRAMES: &str = "prompts/tydiqa_trace.json";

#[derive(Deserialize)]
struct Row {
    language: String,
    question: String,
    context: String,
    answers: Vec<String>,
}

/// The words of the prompt in one language.
#[derive(Deserialize)]
struct Frame {
    instruction: String,
    passage: String,
    question: String,
    answer: String,
}

impl SuiteKind for TyDiQa {
    fn name(&self) -> &'static str {
        "tydiqa"
    }

    fn help(&self) -> &'static str {
        "Reading in eleven languages: an answer from a passage, no examples"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &[Protocol::Trace]
    }

    fn generates(&self) -> bool {
        true
    }

    fn files(&self, _: Protocol) -> &'static [&'static str] {
        &[ROWS, FRAMES]
    }

    fn open(&self, folder: &Path, protocol: Protocol) -> Result<Suite, GeneralError> {
        let path = folder.join(ROWS);
        let rows = files::rows::<Row>(&path)?;
        let frames: BTreeMap<String, Frame> = files::json(&folder.join(FRAMES))?;
        let frames: BTreeMap<String, (Arc<str>, Frame)> = frames
            .into_iter()
            .map(|(language, frame)| {
                let shared = Arc::from(format!("{}\n\n{}", frame.instruction, frame.passage));
                (language, (shared, frame))
            })
            .collect();
        let mut questions = Vec::with_capacity(rows.len());
        for Line { number, row } in rows {
            let Some((shared, frame)) = frames.get(&row.language) else {
                let known: Vec<&str> = frames.keys().map(String::as_str).collect();
                let reason = format!(
                    "there is no language {:?} in {FRAMES}; the languages are {}",
                    row.language,
                    known.join(", ")
                );
                return Err(GeneralError::line(&path, number, reason));
            };
            if row.answers.is_empty() {
                return Err(GeneralError::line(&path, number, "there is no answer"));
            }
            let own = format!(
                "{}\n{} {}\n{} ",
                row.context, frame.question, row.question, frame.answer
            );
            let request = Request::Generate {
                prompt: Prompt::new(shared, own),
                stop: Vec::new(),
                max_new_tokens: 50,
            };
            questions.push((row.language, request, Expected::Texts(row.answers)));
        }
        let rules = Rules {
            name: self.name().to_string(),
            protocol: Some(protocol),
            version: 1,
            mean: GroupMean::Groups,
            grading: Grading::Text(&[("f1", f1), ("exact_match", exact_match)]),
        };
        Ok(Suite::new(rules, questions))
    }
}

fn f1(row: &SuiteRow, output: &str) -> f64 {
    let answer = first_line(output);
    let answer = cleaned(&answer);
    let answer: Vec<&str> = words(&answer).collect();
    let scores = row.texts().iter().map(|reference| {
        let reference = cleaned(reference);
        overlap(&answer, &words(&reference).collect::<Vec<_>>())
    });
    100.0 * scores.fold(0.0, f64::max)
}

fn exact_match(row: &SuiteRow, output: &str) -> f64 {
    let answer = cleaned(&first_line(output));
    let mut references = row.texts().iter();
    all_or_nothing(references.any(|reference| cleaned(reference) == answer))
}

/// The answer as `TydiQAEvaluator.score` compares it: the first line, in lower case. References
/// keep their case there, so a reference with a capital letter is never matched in full.
fn first_line(output: &str) -> String {
    output.split('\n').next().unwrap_or_default().to_lowercase()
}

// Letters as Python's `\w` has them, without the vowel signs that Rust's includes.
static NO_LETTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^\p{L}\p{N}_\s\x1c-\x1f]"));
static ARTICLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(a|an|the)\b"));

/// `general_postprocess`: the text before the first line break, full stop or comma, without
/// punctuation and English articles, with single spaces.
fn cleaned(text: &str) -> String {
    let text = text.split(['\n', '.', ',']).next().unwrap_or_default();
    let text = NO_LETTER.replace_all(text, "");
    let text = ARTICLE.replace_all(&text, "");
    words(strip(&text)).collect::<Vec<_>>().join(" ")
}
