//! Questions and statements of facts, and options with letters.

use rand::seq::SliceRandom;

use super::{Document, numbers};
use crate::suite::facts::{FACTS, Fact};
use crate::suite::probe;
use crate::suite::words::{ITEMS, PLACES, Random, chance, pick};

/// Letters for options; the letters of one list have the same case.
const LETTERS: [&[&str]; 2] = [
    &[
        "A", "B", "C", "D", "E", "F", "G", "H", "K", "L", "M", "N", "P", "R", "S", "T",
    ],
    &["a", "b", "c", "d", "e", "f", "g", "h"],
];

/// Colours in a key.
const COLORS: [&str; 9] = [
    "yellow", "green", "white", "black", "blue", "red", "brown", "gray", "orange",
];

/// The answer and `count` wrong answers of its kind, shuffled, and the position of the right one.
fn options(random: &mut Random, fact: &Fact, count: usize) -> (Vec<&'static str>, usize) {
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

fn turn(random: &mut Random) -> (String, String) {
    let fact = pick(random, &FACTS);
    let text = &fact.questions()[pick(random, &[0, 1])];
    (probe::question(text), fact.answer.to_string())
}

/// A question about one fact.
pub(super) fn question(random: &mut Random) -> Document {
    let (prompt, answer) = turn(random);
    Document::asked(prompt, answer)
}

/// Four questions on facts and on arithmetic.
pub(super) fn quiz(random: &mut Random) -> Document {
    let turns: Vec<_> = (0..4)
        .map(|_| {
            if chance(random, 70) {
                turn(random)
            } else {
                numbers::turn(random)
            }
        })
        .collect();
    Document::series("Quiz", &turns)
}

/// Four facts in prose.
pub(super) fn statements(random: &mut Random) -> Document {
    let sentences: Vec<_> = (0..4)
        .map(|_| {
            let fact = pick(random, &FACTS);
            let [plain, other] = fact.statements();
            if chance(random, 60) { plain } else { other }
        })
        .collect();
    Document::prose(sentences.join(" "))
}

fn three_letters(random: &mut Random) -> Vec<&'static str> {
    let mut letters = pick(random, &LETTERS).to_vec();
    letters.shuffle(random);
    letters.truncate(3);
    letters
}

/// A fact with three options in one line; the answer is the option's letter.
pub(super) fn letter_of_fact(random: &mut Random) -> Document {
    let fact = pick(random, &FACTS);
    let question = &fact.questions()[pick(random, &[0, 1])];
    let (options, position) = options(random, &fact, 2);
    let letters = three_letters(random);
    let (open, close) = pick(random, &[("(", ") "), ("", ") "), ("", ": ")]);
    let listed: Vec<_> = letters
        .iter()
        .zip(&options)
        .map(|(letter, option)| format!("{open}{letter}{close}{option}"))
        .collect();
    Document::asked(
        format!("{question}\n{}\nLetter:", listed.join("\n")),
        letters[position],
    )
}

/// A key of three letters, with two look-ups.
pub(super) fn letter_of_key(random: &mut Random) -> Document {
    let lists: [&[&'static str]; 3] = [&COLORS, &ITEMS, &PLACES];
    let mut entries = pick(random, &lists).to_vec();
    entries.shuffle(random);
    let letters = three_letters(random);
    let separator = pick(random, &[" ", ": ", " is ", ". "]);
    let key: Vec<_> = letters
        .iter()
        .zip(&entries)
        .map(|(letter, entry)| format!("{letter}{separator}{entry}"))
        .collect();
    let mut order = [0, 1, 2];
    order.shuffle(random);
    let turns: Vec<_> = order[..2]
        .iter()
        .map(|&wanted| {
            let cue = format!("Find: {}\nLetter:", entries[wanted]);
            (cue, letters[wanted].to_string())
        })
        .collect();
    Document::series(&format!("Key\n{}", key.join("\n")), &turns)
}
