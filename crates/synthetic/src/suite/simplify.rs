//! Task `simplify`, modelled on 20Minuten: rewrite a long-winded sentence in plain words, without
//! its asides.

use rand::RngExt;

use super::Row;
use super::words::{Random, capitalized, pick, with_article};

/// A long-winded word or phrase and its plain synonym.
pub(super) type Synonym = (&'static str, &'static str);

/// People.
pub(super) const PEOPLE: [Synonym; 8] = [
    ("physician", "doctor"),
    ("attorney", "lawyer"),
    ("instructor", "teacher"),
    ("merchant", "seller"),
    ("monarch", "king"),
    ("companion", "friend"),
    ("laborer", "worker"),
    ("youth", "boy"),
];

/// Actions.
pub(super) const VERBS: [Synonym; 10] = [
    ("purchased", "bought"),
    ("observed", "saw"),
    ("discovered", "found"),
    ("obtained", "got"),
    ("concealed", "hid"),
    ("selected", "chose"),
    ("misplaced", "lost"),
    ("retained", "kept"),
    ("demolished", "broke"),
    ("restored", "fixed"),
];

/// Qualities of things.
pub(super) const QUALITIES: [Synonym; 10] = [
    ("enormous", "big"),
    ("minuscule", "small"),
    ("ancient", "old"),
    ("costly", "expensive"),
    ("peculiar", "strange"),
    ("filthy", "dirty"),
    ("splendid", "nice"),
    ("novel", "new"),
    ("crimson", "red"),
    ("azure", "blue"),
];

/// Things.
pub(super) const THINGS: [Synonym; 8] = [
    ("vehicle", "car"),
    ("vessel", "boat"),
    ("garment", "coat"),
    ("timepiece", "watch"),
    ("volume", "book"),
    ("portrait", "picture"),
    ("dwelling", "house"),
    ("implement", "tool"),
];

/// Circumstances that a plain sentence keeps.
pub(super) const CIRCUMSTANCES: [Synonym; 5] = [
    ("in the vicinity of the park", "near the park"),
    ("prior to the meeting", "before the meeting"),
    ("subsequent to the storm", "after the storm"),
    ("on account of the rain", "because of the rain"),
    ("in the course of the night", "during the night"),
];

/// Relative clauses that a plain sentence drops.
pub(super) const CLAUSES: [&str; 8] = [
    "who lives near the river",
    "who arrived on Monday",
    "whom everyone knows",
    "who was very tired",
    "who speaks with a soft voice",
    "who had waited for a long time",
    "who came from the city",
    "whom nobody had seen before",
];

/// Adverbs that a plain sentence drops.
pub(super) const ADVERBS: [&str; 5] = [
    "subsequently",
    "eventually",
    "apparently",
    "finally",
    "reportedly",
];

/// Draws a row.
pub(super) fn row(random: &mut Random, _index: usize) -> Row {
    let person = pick(random, &PEOPLE);
    let verb = pick(random, &VERBS);
    let quality = pick(random, &QUALITIES);
    let thing = pick(random, &THINGS);
    let clause = pick(random, &CLAUSES);
    let adverb = pick(random, &ADVERBS);
    let circumstance = pick(random, &CIRCUMSTANCES);

    let long_object = format!("{} {}", with_article(quality.0), thing.0);
    let plain = format!(
        "The {} {} {} {}",
        person.1,
        verb.1,
        with_article(quality.1),
        thing.1
    );
    let (long, plain) = match random.random_range(0..3) {
        0 => (
            format!(
                "The {}, {clause}, {adverb} {} {long_object}.",
                person.0, verb.0
            ),
            format!("{plain}."),
        ),
        1 => (
            format!(
                "{}, the {} {} {long_object} {}.",
                capitalized(adverb),
                person.0,
                verb.0,
                circumstance.0
            ),
            format!("{plain} {}.", circumstance.1),
        ),
        _ => (
            format!(
                "The {}, {clause}, {} {long_object} {}.",
                person.0, verb.0, circumstance.0
            ),
            format!("{plain} {}.", circumstance.1),
        ),
    };
    Row {
        prompt: format!("Rewrite the sentence in simple words.\nSentence: {long}\nSimple:"),
        answer: plain,
    }
}
