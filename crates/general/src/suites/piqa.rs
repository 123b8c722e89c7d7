//! PIQA: which of two ways reaches a goal.

use std::path::Path;

use serde::Deserialize;

use crate::choice::{lowest_loss, most_likely, most_likely_per_character};
use crate::error::GeneralError;
use crate::files::{self, Line};
use crate::kind::SuiteKind;
use crate::protocol::Protocol;
use crate::request::{Prompt, Request, Scope};
use crate::statistics::GroupMean;
use crate::suite::{Expected, Grading, Rules, Suite};

/// PIQA without examples.
///
/// # References
///
/// `trace`: `piqa_ppl_1cf9f0.py` of OpenCompass, its default. `lm-eval`: `tasks/piqa/piqa.yaml` of
/// lm-evaluation-harness.
#[derive(Debug)]
pub(crate) struct Piqa;

const ROWS: &str = "piqa.jsonl";

#[derive(Deserialize)]
struct Row {
    goal: String,
    sol1: String,
    sol2: String,
    label: usize,
}

impl SuiteKind for Piqa {
    fn name(&self) -> &'static str {
        "piqa"
    }

    fn help(&self) -> &'static str {
        "Physical common sense: which of two ways reaches a goal, no examples"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &Protocol::ALL
    }

    fn files(&self, _: Protocol) -> &'static [&'static str] {
        &[ROWS]
    }

    fn open(&self, folder: &Path, protocol: Protocol) -> Result<Suite, GeneralError> {
        let path = folder.join(ROWS);
        let mut questions = Vec::new();
        for Line { number, row } in files::rows::<Row>(&path)? {
            let refuse = |reason: String| GeneralError::line(&path, number, reason);
            if row.label > 1 {
                return Err(refuse(format!("label must be 0 or 1, found {}", row.label)));
            }
            // A choice without characters has no log-probability per character.
            if row.sol1.is_empty() || row.sol2.is_empty() {
                return Err(refuse("a solution is empty".to_string()));
            }
            let expected = Expected::Choice(row.label);
            questions.push((self.name().to_string(), choose(&row, protocol), expected));
        }
        let grading = match protocol {
            Protocol::Trace => Grading::Choice(&[("accuracy", lowest_loss)]),
            Protocol::LmEval => Grading::Choice(&[
                ("acc", most_likely),
                ("acc_norm", most_likely_per_character),
            ]),
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
        goal, sol1, sol2, ..
    } = row;
    let solutions = [sol1, sol2];
    match protocol {
        Protocol::Trace => Request::Choose {
            // OpenCompass has this space before the line break.
            prompt: Prompt::alone(format!("The following makes sense: \nQ: {goal}\nA: ")),
            choices: solutions.map(|solution| format!("{solution}\n")).to_vec(),
            scope: Scope::WholeText,
        },
        Protocol::LmEval => Request::Choose {
            prompt: Prompt::alone(format!("Question: {goal}\nAnswer:")),
            choices: solutions.map(|solution| format!(" {solution}")).to_vec(),
            scope: Scope::Choice,
        },
    }
}
