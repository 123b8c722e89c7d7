//! BIG-Bench Hard: 27 tasks that are solved step by step.

use std::collections::HashMap;
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
use crate::text::{all_or_nothing, pattern, strip};

/// BIG-Bench Hard with the three worked examples of its authors.
///
/// # References
///
/// `trace`: `bbh_gen_5b92b0.py` and `datasets/bbh.py` of OpenCompass 0.1.5. `lm-eval`:
/// `tasks/bbh/cot_fewshot` of lm-evaluation-harness. Examples: `cot-prompts` of
/// suzgunmirac/BIG-Bench-Hard.
#[derive(Debug)]
pub(crate) struct Bbh;

const ROWS: &str = "bbh.jsonl";
const EXAMPLES: &str = "prompts/bbh";
const CUE: &str = "A: Let's think step by step.";

/// Tasks whose answer is the letter of a choice.
const CHOICES: [&str; 17] = [
    "date_understanding",
    "disambiguation_qa",
    "geometric_shapes",
    "hyperbaton",
    "logical_deduction_five_objects",
    "logical_deduction_seven_objects",
    "logical_deduction_three_objects",
    "movie_recommendation",
    "penguins_in_a_table",
    "reasoning_about_colored_objects",
    "ruin_names",
    "salient_translation_error_detection",
    "snarks",
    "temporal_sequences",
    "tracking_shuffled_objects_five_objects",
    "tracking_shuffled_objects_seven_objects",
    "tracking_shuffled_objects_three_objects",
];

/// Tasks whose answer is a text.
const TEXTS: [&str; 10] = [
    "boolean_expressions",
    "causal_judgement",
    "dyck_languages",
    "formal_fallacies",
    "multistep_arithmetic_two",
    "navigate",
    "object_counting",
    "sports_understanding",
    "web_of_lies",
    "word_sorting",
];

#[derive(Deserialize)]
struct Row {
    task: String,
    input: String,
    target: String,
}

impl SuiteKind for Bbh {
    fn name(&self) -> &'static str {
        "bbh"
    }

    fn help(&self) -> &'static str {
        "Reasoning: 27 tasks, solved step by step, 3 examples"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &Protocol::ALL
    }

    fn generates(&self) -> bool {
        true
    }

    fn files(&self, _: Protocol) -> &'static [&'static str] {
        &[ROWS, EXAMPLES]
    }

    fn open(&self, folder: &Path, protocol: Protocol) -> Result<Suite, GeneralError> {
        let path = folder.join(ROWS);
        let mut blocks: HashMap<String, Arc<str>> = HashMap::new();
        let mut questions = Vec::new();
        for Line { number, row } in files::rows::<Row>(&path)? {
            if !CHOICES.iter().chain(&TEXTS).any(|task| *task == row.task) {
                let known = [&CHOICES[..], &TEXTS].concat().join(", ");
                let reason = format!("there is no task {:?}; the tasks are {known}", row.task);
                return Err(GeneralError::line(&path, number, reason));
            }
            let shared = match blocks.get(&row.task) {
                Some(block) => Arc::clone(block),
                None => {
                    let examples = folder.join(EXAMPLES).join(format!("{}.txt", row.task));
                    let block: Arc<str> = Arc::from(block(&examples, protocol)?);
                    blocks.insert(row.task.clone(), Arc::clone(&block));
                    block
                }
            };
            let expected = Expected::Texts(vec![row.target]);
            questions.push((row.task, generate(&shared, &row.input, protocol), expected));
        }
        let (mean, grading) = match protocol {
            Protocol::Trace => (GroupMean::Groups, Grading::Text(&[("accuracy", extracted)])),
            Protocol::LmEval => (
                GroupMean::Rows,
                Grading::Text(&[("exact_match,get-answer", get_answer)]),
            ),
        };
        let rules = Rules {
            name: self.name().to_string(),
            protocol: Some(protocol),
            version: 1,
            mean,
            grading,
        };
        Ok(Suite::new(rules, questions))
    }
}

/// The instruction and examples of a task, with the blank line behind them.
fn block(path: &Path, protocol: Protocol) -> Result<String, GeneralError> {
    let text = files::text(path)?;
    // The file begins with a mark that asks to keep it out of training data, then a line.
    let examples = text
        .split_once("\n-----\n")
        .map_or(&text[..], |(_, rest)| rest);
    // Some copies end with a line break, which the prompts of both protocols do not have.
    let examples = examples.trim_end_matches('\n');
    if !examples.contains(CUE) {
        let reason = format!("it has no example: {CUE:?} was not found");
        return Err(GeneralError::file(path, reason));
    }
    Ok(match protocol {
        Protocol::Trace => {
            format!("Follow the given examples and answer the question.\n{examples}\n\n")
        }
        // One file goes on in the line of the cue; the harness breaks the line in all of them.
        Protocol::LmEval => {
            let examples = examples.replace(&format!("{CUE} "), &format!("{CUE}\n"));
            format!("{examples}\n\n")
        }
    })
}

fn generate(shared: &Arc<str>, input: &str, protocol: Protocol) -> Request {
    let (end, stop, max_new_tokens): (_, &[&str], _) = match protocol {
        Protocol::Trace => ("", &[], 512),
        Protocol::LmEval => ("\n", &["</s>", "Q", "\n\n"], 1024),
    };
    Request::Generate {
        prompt: Prompt::new(shared, format!("Q: {input}\n{CUE}{end}")),
        stop: stop.iter().map(|stop| stop.to_string()).collect(),
        max_new_tokens,
    }
}

/// OpenCompass's rule: letters of choices are compared as letters, other answers as texts.
fn extracted(row: &SuiteRow, output: &str) -> f64 {
    let is_choice = CHOICES.contains(&row.group.as_str());
    let mut targets = row.texts().iter();
    all_or_nothing(match is_choice {
        true => targets.any(|target| letter(target) == letter(output)),
        false => targets.any(|target| target == free_text(output)),
    })
}

/// The text between the first and the second "answer is ", or the whole text.
fn after_answer_is(output: &str) -> &str {
    output.split("answer is ").nth(1).map_or(output, strip)
}

static LETTER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\(([A-Z])"));

/// `bbh_mcq_postprocess`: the first capital letter behind a bracket, else the first one, else all.
fn letter(output: &str) -> &str {
    let answer = after_answer_is(output);
    let in_brackets = LETTER.captures(answer).and_then(|found| found.get(1));
    if let Some(letter) = in_brackets {
        return letter.as_str();
    }
    match answer.find(|character: char| character.is_ascii_uppercase()) {
        Some(place) => &answer[place..=place],
        None => answer,
    }
}

/// `bbh_freeform_postprocess` of 2023: the first line without a full stop at its end.
fn free_text(output: &str) -> &str {
    let line = after_answer_is(output)
        .split('\n')
        .next()
        .unwrap_or_default();
    line.strip_suffix('.').unwrap_or(line)
}

/// The harness's filter `(?<=the answer is )(.*)(?=.)`: what follows on the line but for its last
/// character, whatever that is.
fn get_answer(row: &SuiteRow, output: &str) -> f64 {
    let found = answer_on_line(output).unwrap_or("[invalid]");
    all_or_nothing(row.texts().iter().any(|target| target == found))
}

fn answer_on_line(output: &str) -> Option<&str> {
    const CUE: &str = "the answer is ";
    let places = output.match_indices(CUE);
    let mut lines = places.map(|(place, _)| {
        let rest = &output[place + CUE.len()..];
        rest.split('\n').next().unwrap_or_default()
    });
    let line = lines.find(|line| !line.is_empty())?;
    let mut characters = line.chars();
    characters.next_back();
    Some(strip(characters.as_str()))
}
