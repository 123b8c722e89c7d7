//! Task `choice`, after ScienceQA: pick one of three options and say why.
//!
//! The facts are those of the mixture; new is to answer with a letter and a reason.

use rand::seq::SliceRandom;

use super::Row;
use super::facts::{FACTS, Fact};
use super::words::{Random, pick};

/// The answer and `count` wrong ones of its kind, shuffled, with the answer's position.
pub(super) fn options(
    random: &mut Random,
    fact: &Fact,
    count: usize,
) -> (Vec<&'static str>, usize) {
    let mut wrong: Vec<&str> = FACTS
        .iter()
        .filter(|other| other.kind == fact.kind)
        .map(|other| other.answer)
        .filter(|answer| *answer != fact.answer && *answer != fact.subject)
        .collect();
    wrong.sort_unstable();
    wrong.dedup();
    wrong.shuffle(random);
    wrong.truncate(count);
    wrong.push(fact.answer);
    wrong.shuffle(random);
    let position = wrong
        .iter()
        .position(|option| *option == fact.answer)
        .expect("invariant: the answer is among the options");
    (wrong, position)
}

/// One row; the letter of the answer goes around with the index.
pub(super) fn row(random: &mut Random, index: usize) -> Row {
    let fact = pick(random, &FACTS);
    let (mut options, position) = options(random, &fact, 2);
    let label = index % options.len();
    options.swap(position, label);
    let question = &fact.questions()[pick(random, &[0, 1])];
    let [reason, _] = fact.statements();
    Row {
        prompt: format!(
            "Choose A, B or C and give the reason.\nQuestion: {question}\nA. {}\nB. {}\nC. {}\nAnswer:",
            options[0], options[1], options[2]
        ),
        answer: format!("{}\n{reason}", ["A", "B", "C"][label]),
    }
}
