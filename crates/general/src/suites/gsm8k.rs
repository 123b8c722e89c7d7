//! GSM8K: word problems whose answer is a number.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde::Deserialize;

use crate::error::GeneralError;
use crate::files::{self, Line};
use crate::kind::SuiteKind;
use crate::protocol::Protocol;
use crate::python_random::PythonRandom;
use crate::request::{Prompt, Request};
use crate::statistics::GroupMean;
use crate::suite::{Expected, Grading, Rules, Suite, SuiteRow};
use crate::text::{all_or_nothing, pattern, strip};

/// GSM8K with four fixed examples (`trace`), or five that are drawn for each row (`lm-eval`).
///
/// # References
///
/// `trace`: `gsm8k_gen_1d7fe4.py` of OpenCompass; a model without a chat template reads its turns
/// joined by line breaks (`LMTemplateParser.parse_template`). `accuracy` reads answers as
/// OpenCompass 0.1.5 to 0.1.7 of autumn 2023, `accuracy_last_number` as it has since 2024.
/// `lm-eval`: `tasks/gsm8k/gsm8k.yaml` of lm-evaluation-harness, with its seed of examples, 1234.
/// It draws from the training set, so its prompts are only reproduced by a file with all 7473
/// training rows in their order, and test rows in their order.
#[derive(Debug)]
pub(crate) struct Gsm8k;

const ROWS: &str = "gsm8k.jsonl";
const EXAMPLES: &str = "gsm8k_fewshot.jsonl";
const TURNS: &str = "prompts/gsm8k_trace.json";
const SHOTS: usize = 4;
const SEED: u32 = 1234;
/// What stands before the number at the end of an answer.
const MARK: &str = "#### ";

#[derive(Deserialize)]
struct Row {
    question: String,
    answer: String,
}

#[derive(Deserialize)]
struct Turn {
    user: String,
    assistant: String,
}

impl SuiteKind for Gsm8k {
    fn name(&self) -> &'static str {
        "gsm8k"
    }

    fn help(&self) -> &'static str {
        "Arithmetic: word problems, solved step by step, 4 or 5 examples"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &Protocol::ALL
    }

    fn generates(&self) -> bool {
        true
    }

    fn files(&self, protocol: Protocol) -> &'static [&'static str] {
        match protocol {
            Protocol::Trace => &[ROWS, TURNS],
            Protocol::LmEval => &[ROWS, EXAMPLES],
        }
    }

    fn open(&self, folder: &Path, protocol: Protocol) -> Result<Suite, GeneralError> {
        let path = folder.join(ROWS);
        let rows = files::rows::<Row>(&path)?;
        if let Some(line) = rows.iter().find(|line| !line.row.answer.contains(MARK)) {
            let reason = format!("the answer has no {MARK:?} before its number");
            return Err(GeneralError::line(&path, line.number, reason));
        }
        let (requests, grading) = match protocol {
            Protocol::Trace => (
                with_turns(folder, &rows)?,
                Grading::Text(&[
                    ("accuracy", last_word),
                    ("accuracy_last_number", last_number),
                ]),
            ),
            Protocol::LmEval => (
                with_drawn_examples(folder, &rows)?,
                Grading::Text(&[
                    ("exact_match,strict-match", strict_match),
                    ("exact_match,flexible-extract", flexible_extract),
                ]),
            ),
        };
        let answers = rows.into_iter().map(|line| line.row.answer);
        let questions = requests.into_iter().zip(answers).map(|(request, answer)| {
            let expected = Expected::Texts(vec![answer]);
            (self.name().to_string(), request, expected)
        });
        let rules = Rules {
            name: self.name().to_string(),
            protocol: Some(protocol),
            version: 1,
            mean: GroupMean::Rows,
            grading,
        };
        Ok(Suite::new(rules, questions))
    }
}

fn with_turns(folder: &Path, rows: &[Line<Row>]) -> Result<Vec<Request>, GeneralError> {
    let path = folder.join(TURNS);
    let turns: Vec<Turn> = files::json(&path)?;
    if turns.len() != SHOTS {
        let reason = format!("expected {SHOTS} examples, found {}", turns.len());
        return Err(GeneralError::file(&path, reason));
    }
    let texts = turns.iter().flat_map(|turn| [&turn.user, &turn.assistant]);
    let shared: String = texts.map(|text| format!("{text}\n")).collect();
    let shared: Arc<str> = Arc::from(shared);
    let requests = rows.iter().map(|Line { row, .. }| {
        let own = format!(
            "Question: {}\nLet's think step by step\nAnswer:",
            row.question
        );
        Request::Generate {
            prompt: Prompt::new(&shared, own),
            stop: Vec::new(),
            max_new_tokens: 512,
        }
    });
    Ok(requests.collect())
}

fn with_drawn_examples(folder: &Path, rows: &[Line<Row>]) -> Result<Vec<Request>, GeneralError> {
    let path = folder.join(EXAMPLES);
    let examples = files::rows::<Row>(&path)?;
    let too_few = || {
        let reason = format!("expected at least 5 examples, found {}", examples.len());
        GeneralError::file(&path, reason)
    };
    let count = u32::try_from(examples.len()).map_err(|_| too_few())?;
    let mut random = PythonRandom::new(SEED);
    let requests = rows.iter().map(|Line { row, .. }| {
        let drawn = random.five_below(count).ok_or_else(too_few)?;
        let mut prompt = String::new();
        for index in drawn {
            let Row { question, answer } = &examples[index as usize].row;
            prompt += &format!("Question: {question}\nAnswer: {answer}\n\n");
        }
        prompt += &format!("Question: {}\nAnswer:", row.question);
        Ok(Request::Generate {
            prompt: Prompt::alone(prompt),
            stop: ["Question:", "</s>", "<|im_end|>"]
                .map(str::to_string)
                .to_vec(),
            max_new_tokens: 256,
        })
    });
    requests.collect()
}

/// What Python's `str.isdigit` accepts, but for digits in circles.
static DIGIT: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\d⁰¹²³⁴-⁹₀-₉]"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\-?\d+\.\d+|\-?\d+"));

/// The number that an answer ends with, without commas: `gsm8k_dataset_postprocess`.
fn gold(answer: &str) -> String {
    answer
        .split(MARK)
        .nth(1)
        .unwrap_or_default()
        .replace(',', "")
}

/// `gsm8k_postprocess` of 2023: all digits of the last word with any, in the first paragraph. It
/// reads 1,234 as 1234, but 3.50 as 350, and -5 as 5.
fn last_word(row: &SuiteRow, output: &str) -> f64 {
    let paragraph = output.split("\n\n").next().unwrap_or_default();
    // Words end at spaces alone: a line break is part of a word.
    let mut words = paragraph.rsplit(' ');
    let word = words.find(|word| DIGIT.is_match(word)).unwrap_or_default();
    let found: String = DIGIT.find_iter(word).map(|digit| digit.as_str()).collect();
    let mut answers = row.texts().iter();
    all_or_nothing(answers.any(|answer| gold(answer) == found))
}

/// `gsm8k_postprocess` and `Gsm8kEvaluator.is_equal` since 2024. It reads 1,234 as 234.
fn last_number(row: &SuiteRow, output: &str) -> f64 {
    let output = output.split("Question:").next().unwrap_or_default();
    let found = NUMBER.find_iter(output).last();
    let found = found.map_or("NULL", |found| found.as_str());
    let is_equal = |answer: &String| {
        let gold = gold(answer);
        let near = || {
            let found: f64 = found.parse().ok()?;
            let gold: i64 = strip(&gold).parse().ok()?;
            Some((found - gold as f64).abs() < 1e-6)
        };
        found == gold || near() == Some(true)
    };
    all_or_nothing(row.texts().iter().any(is_equal))
}

static STRICT: LazyLock<Regex> = LazyLock::new(|| pattern(r"#### (\-?[0-9\.\,]+)"));
static FLEXIBLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(-?[$0-9.,]{2,})|(-?[0-9]+)"));
/// What `RegexFilter` gives where nothing matches.
const INVALID: &str = "[invalid]";

fn strict_match(row: &SuiteRow, output: &str) -> f64 {
    let found = STRICT.captures(output).and_then(|found| found.get(1));
    exact_match(row, found.map_or(INVALID, |found| found.as_str()))
}

fn flexible_extract(row: &SuiteRow, output: &str) -> f64 {
    let found = FLEXIBLE.find_iter(output).last();
    exact_match(row, found.map_or(INVALID, |found| found.as_str()))
}

fn exact_match(row: &SuiteRow, found: &str) -> f64 {
    let found = without_ignored(found);
    let mut answers = row.texts().iter();
    all_or_nothing(answers.any(|answer| without_ignored(answer) == found))
}

/// The text without what the task's `regexes_to_ignore` match, in lower case: commas, dollar
/// signs, everything up to the last mark, and a full stop at the end.
fn without_ignored(text: &str) -> String {
    let text = text.replace([',', '$'], "");
    let text = text.rsplit(MARK).next().unwrap_or_default();
    // Python's `$` also matches before a line break at the end.
    let (text, end) = match text.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (text, ""),
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    format!("{text}{end}").to_lowercase()
}
