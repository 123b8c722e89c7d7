//! The probe: questions about the knowledge from the base model's pre-training.

use rand::seq::SliceRandom;

use super::Row;
use super::facts::FACTS;
use super::words::{Random, pick};

/// Share of the probe's questions about facts, in percent; the others are arithmetic.
const FACT_PERCENT: usize = 70;

/// A question in the mixture's format for single questions.
pub(super) fn question(text: &str) -> String {
    format!("Question: {text}\nAnswer:")
}

/// Draws different questions in random order: at most one per fact, and sums and differences of
/// numbers up to 20. It gives fewer than `count` if no more exist.
pub(super) fn rows(random: &mut Random, count: usize) -> Vec<Row> {
    let mut facts: Vec<Row> = FACTS
        .iter()
        .map(|fact| Row {
            prompt: question(&fact.questions()[pick(random, &[0, 1])]),
            answer: fact.answer.to_string(),
        })
        .collect();
    facts.shuffle(random);
    facts.truncate(count * FACT_PERCENT / 100);

    let mut arithmetic: Vec<Row> = (2..=20)
        .flat_map(|whole| (1..whole).map(move |part| (whole, part)))
        .flat_map(|(whole, part)| {
            let rest = whole - part;
            [
                (format!("What is {part} plus {rest}?"), whole),
                (format!("What is {whole} minus {part}?"), rest),
            ]
        })
        .map(|(text, result)| Row {
            prompt: question(&text),
            answer: result.to_string(),
        })
        .collect();
    arithmetic.shuffle(random);
    arithmetic.truncate(count - facts.len());

    let mut rows = facts;
    rows.append(&mut arithmetic);
    rows.shuffle(random);
    rows
}
