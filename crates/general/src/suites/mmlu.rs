//! MMLU: questions of 57 subjects with four choices.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::choice::{lowest_loss, most_likely};
use crate::error::GeneralError;
use crate::files::{self, Line};
use crate::kind::SuiteKind;
use crate::protocol::Protocol;
use crate::request::{Prompt, Request, Scope};
use crate::statistics::GroupMean;
use crate::suite::{Expected, Grading, Rules, Suite};
use crate::text::strip;

/// MMLU with the first five questions of each subject's development set as examples.
///
/// # References
///
/// `trace`: `mmlu_ppl_ac766d.py` of OpenCompass, whose `BaseRetriever.generate_ice` puts a line
/// break behind each example in addition to that of the template. `lm-eval`:
/// `tasks/mmlu/default` of lm-evaluation-harness.
#[derive(Debug)]
pub(crate) struct Mmlu;

const ROWS: &str = "mmlu.jsonl";
const EXAMPLES: &str = "mmlu_fewshot.jsonl";
const SHOTS: usize = 5;
const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

#[derive(Deserialize)]
struct Row {
    subject: String,
    question: String,
    choices: [String; 4],
    answer: Letter,
}

#[derive(Clone, Copy, Deserialize)]
enum Letter {
    A,
    B,
    C,
    D,
}

impl SuiteKind for Mmlu {
    fn name(&self) -> &'static str {
        "mmlu"
    }

    fn help(&self) -> &'static str {
        "Knowledge: questions of 57 subjects with four choices, 5 examples"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &Protocol::ALL
    }

    fn files(&self, _: Protocol) -> &'static [&'static str] {
        &[ROWS, EXAMPLES]
    }

    fn open(&self, folder: &Path, protocol: Protocol) -> Result<Suite, GeneralError> {
        let path = folder.join(ROWS);
        let rows = files::rows::<Row>(&path)?;
        let examples_path = folder.join(EXAMPLES);
        let mut examples: HashMap<String, Vec<Row>> = HashMap::new();
        for Line { row, .. } in files::rows::<Row>(&examples_path)? {
            examples.entry(row.subject.clone()).or_default().push(row);
        }
        let mut blocks: HashMap<String, Arc<str>> = HashMap::new();
        let mut questions = Vec::with_capacity(rows.len());
        for Line { number, row } in rows {
            let shared = match blocks.get(&row.subject) {
                Some(block) => Arc::clone(block),
                None => {
                    let examples = examples.get(&row.subject).map_or(&[][..], Vec::as_slice);
                    let Some(examples) = examples.get(..SHOTS) else {
                        let reason = format!(
                            "subject {:?} needs {SHOTS} examples in {}, found {}",
                            row.subject,
                            examples_path.display(),
                            examples.len()
                        );
                        return Err(GeneralError::line(&path, number, reason));
                    };
                    let block: Arc<str> = Arc::from(block(&row.subject, examples, protocol));
                    blocks.insert(row.subject.clone(), Arc::clone(&block));
                    block
                }
            };
            let own = question(&row, protocol);
            let expected = Expected::Choice(row.answer as usize);
            questions.push((row.subject, choose(&shared, own, protocol), expected));
        }
        let (mean, grading) = match protocol {
            Protocol::Trace => (
                GroupMean::Groups,
                Grading::Choice(&[("accuracy", lowest_loss)]),
            ),
            Protocol::LmEval => (GroupMean::Rows, Grading::Choice(&[("acc", most_likely)])),
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

/// The instruction and the examples of a subject.
fn block(subject: &str, examples: &[Row], protocol: Protocol) -> String {
    let subject = subject.replace('_', " ");
    // OpenCompass has two spaces before the subject.
    let space = match protocol {
        Protocol::Trace => "  ",
        Protocol::LmEval => " ",
    };
    let mut block = format!(
        "The following are multiple choice questions (with answers) about{space}{subject}.\n\n"
    );
    for example in examples {
        block += &question(example, protocol);
        block += match protocol {
            Protocol::Trace => "",
            Protocol::LmEval => " ",
        };
        block += LETTERS[example.answer as usize];
        block += "\n\n";
    }
    block
}

fn question(row: &Row, protocol: Protocol) -> String {
    let [a, b, c, d] = &row.choices;
    let (question, cue) = match protocol {
        Protocol::Trace => (row.question.as_str(), "Answer: "),
        Protocol::LmEval => (strip(&row.question), "Answer:"),
    };
    format!("{question}\nA. {a}\nB. {b}\nC. {c}\nD. {d}\n{cue}")
}

fn choose(shared: &Arc<str>, own: String, protocol: Protocol) -> Request {
    let (space, scope) = match protocol {
        Protocol::Trace => ("", Scope::WholeText),
        Protocol::LmEval => (" ", Scope::Choice),
    };
    Request::Choose {
        prompt: Prompt::new(shared, own),
        choices: LETTERS.map(|letter| format!("{space}{letter}")).to_vec(),
        scope,
    }
}
