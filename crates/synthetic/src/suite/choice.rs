//! Task `choice`, after ScienceQA: pick one of three options and say why.
//!
//! The facts are those of the mixture; new is to answer with a letter and a reason. Every answer
//! has a letter of its own and only meets wrong options of the other letters: that much a model of
//! a million parameters learns from 400 rows. (With letters at random, as in an earlier form of the
//! task, it learned nothing.)

use super::Row;
use super::facts::{FACTS, Fact, Kind};
use super::words::{Random, pick};

const LETTERS: [&str; 3] = ["A", "B", "C"];

/// The answers of a kind, sorted.
fn answers(kind: Kind) -> Vec<&'static str> {
    let own = FACTS.iter().filter(|fact| fact.kind == kind);
    let mut answers: Vec<&str> = own.map(|fact| fact.answer).collect();
    answers.sort_unstable();
    answers.dedup();
    answers
}

/// Which letter an answer has: the sorted answers of its kind take turns.
fn label(kind: Kind, answer: &str) -> usize {
    let rank = answers(kind).iter().position(|other| *other == answer);
    rank.expect("invariant: the answer is one of its kind's") % LETTERS.len()
}

/// One row; the letter of the answer goes around with the index.
pub(super) fn row(random: &mut Random, index: usize) -> Row {
    let wanted = index % LETTERS.len();
    let facts: Vec<Fact> = FACTS
        .iter()
        .copied()
        .filter(|fact| label(fact.kind, fact.answer) == wanted)
        .collect();
    let fact = pick(random, &facts);
    let options: Vec<&str> = (0..LETTERS.len())
        .map(|letter| match letter == wanted {
            true => fact.answer,
            false => {
                let others: Vec<&str> = answers(fact.kind)
                    .into_iter()
                    .filter(|answer| label(fact.kind, answer) == letter)
                    .filter(|answer| *answer != fact.subject)
                    .collect();
                pick(random, &others)
            }
        })
        .collect();
    let question = &fact.questions()[pick(random, &[0, 1])];
    let [reason, _] = fact.statements();
    Row {
        prompt: format!(
            "Choose A, B or C and give the reason.\nQuestion: {question}\nA. {}\nB. {}\nC. {}\nAnswer:",
            options[0], options[1], options[2]
        ),
        answer: format!("{}\n{reason}", LETTERS[wanted]),
    }
}
