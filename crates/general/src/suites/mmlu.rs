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
        let blocks = blocks(&examples_path, protocol)?;
        let mut questions = Vec::with_capacity(rows.len());
        for Line { number, row } in rows {
            let block = blocks.get(&row.subject);
            let Some((_, shared)) = block.filter(|(found, _)| *found >= SHOTS) else {
                let found = block.map_or(0, |(found, _)| *found);
                let reason = format!(
                    "subject {:?} needs {SHOTS} examples in {}, found {found}",
                    row.subject,
                    examples_path.display(),
                );
                return Err(GeneralError::line(&path, number, reason));
            };
            let own = question(&row, protocol);
            let expected = Expected::Choice(row.answer as usize);
            questions.push((row.subject, choose(shared, own, protocol), expected));
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

/// The number of examples of every subject, and the block of the first ones.
fn blocks(
    path: &Path,
    protocol: Protocol,
) -> Result<HashMap<String, (usize, Arc<str>)>, GeneralError> {
    let mut examples: HashMap<String, Vec<Row>> = HashMap::new();
    for Line { row, .. } in files::rows::<Row>(path)? {
        examples.entry(row.subject.clone()).or_default().push(row);
    }
    let blocks = examples.into_iter().map(|(subject, rows)| {
        let first = &rows[..rows.len().min(SHOTS)];
        let block = Arc::from(block(&subject, first, protocol));
        (subject, (rows.len(), block))
    });
    Ok(blocks.collect())
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
