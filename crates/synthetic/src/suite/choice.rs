//! Task `choice`, modelled on ScienceQA: choose one of three options and explain why.
//!
//! The facts are those of the mixture; the letter with an explanation is new. Every answer always
//! has the same letter, and its wrong options always have the other letters. A model of a million
//! parameters can learn this from 400 rows. An earlier form with random letters taught it nothing.

use super::Row;
use super::facts::{FACTS, Fact, Kind};
use super::words::{Random, pick};

const LETTERS: [&str; 3] = ["A", "B", "C"];

/// The answers of a kind, in alphabetical order.
fn answers(kind: Kind) -> Vec<&'static str> {
    let own = FACTS.iter().filter(|fact| fact.kind == kind);
    let mut answers: Vec<&str> = own.map(|fact| fact.answer).collect();
    answers.sort_unstable();
    answers.dedup();
    answers
}

/// The letter of an answer: the sorted answers of its kind take turns.
fn label(kind: Kind, answer: &str) -> usize {
    let rank = answers(kind).iter().position(|other| *other == answer);
    rank.expect("invariant: the answer is one of its kind's") % LETTERS.len()
}

/// Draws a row; the letter of the answer follows from the index.
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
