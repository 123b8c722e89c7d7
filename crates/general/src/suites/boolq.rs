//! BoolQ: yes or no, given a passage.

use std::path::Path;

use serde::Deserialize;

use crate::choice::{lowest_loss, most_likely};
use crate::error::GeneralError;
use crate::files::{self, Line};
use crate::kind::SuiteKind;
use crate::protocol::Protocol;
use crate::request::{Prompt, Request, Scope};
use crate::statistics::GroupMean;
use crate::suite::{Expected, Grading, Rules, Suite};

/// BoolQ without examples.
///
/// # References
///
/// `trace`: `SuperGLUE_BoolQ_ppl_314b96.py` of OpenCompass, its default and, with the other
/// suites' files, part of `collections/base_medium.py` (`314797` writes `Passage: ` before the
/// passage and `Answer: ` before the answer instead). `lm-eval`:
/// `tasks/super_glue/boolq/default.yaml` of lm-evaluation-harness.
#[derive(Debug)]
pub(crate) struct BoolQ;

const ROWS: &str = "boolq.jsonl";

#[derive(Deserialize)]
struct Row {
    question: String,
    passage: String,
    answer: bool,
}

impl SuiteKind for BoolQ {
    fn name(&self) -> &'static str {
        "boolq"
    }

    fn help(&self) -> &'static str {
        "Reading: yes or no, given a passage, no examples"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &Protocol::ALL
    }

    fn files(&self, _: Protocol) -> &'static [&'static str] {
        &[ROWS]
    }

    fn open(&self, folder: &Path, protocol: Protocol) -> Result<Suite, GeneralError> {
        let rows = files::rows::<Row>(&folder.join(ROWS))?;
        let questions = rows.into_iter().map(|Line { row, .. }| {
            let expected = Expected::Choice(usize::from(row.answer));
            (self.name().to_string(), choose(&row, protocol), expected)
        });
        let grading = match protocol {
            Protocol::Trace => Grading::Choice(&[("accuracy", lowest_loss)]),
            Protocol::LmEval => Grading::Choice(&[("acc", most_likely)]),
        };
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

fn choose(row: &Row, protocol: Protocol) -> Request {
    let Row {
        question, passage, ..
    } = row;
    let (cue, choices, scope) = match protocol {
        // Two turns, which a model without a chat template reads joined by a line break.
        Protocol::Trace => ("", ["No", "Yes"], Scope::WholeText),
        Protocol::LmEval => ("Answer:", [" no", " yes"], Scope::Choice),
    };
    Request::Choose {
        prompt: Prompt::alone(format!("{passage}\nQuestion: {question}?\n{cue}")),
        choices: choices.map(str::to_string).to_vec(),
        scope,
    }
}
