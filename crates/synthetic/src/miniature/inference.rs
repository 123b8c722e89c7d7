//! Tasks of the groups NLI and QQP: whether one sentence follows from another, or asks the same.

use rand::RngExt;

use super::words::{DAYS, NAMES, PLACES, Random, pick, pick_two};

const VERBS: [(&str, &str); 8] = [
    ("bought", "buy"),
    ("found", "find"),
    ("painted", "paint"),
    ("sold", "sell"),
    ("lost", "lose"),
    ("repaired", "repair"),
    ("carried", "carry"),
    ("cleaned", "clean"),
];

const THINGS: [&str; 10] = [
    "chair", "bike", "carpet", "basket", "mirror", "violin", "ladder", "suitcase", "boat", "drum",
];

/// Relations of a second sentence to a first one about somebody's action.
#[derive(Clone, Copy)]
enum Relation {
    Neutral,
    Entailment,
    Contradiction,
}

/// Modelled on MNLI; labels neutral, entailment, contradiction.
pub fn claim(random: &mut Random, label: usize) -> String {
    use Relation::{Contradiction, Entailment, Neutral};
    pair(random, [Neutral, Entailment, Contradiction][label], true)
}

/// Modelled on CB, with its order of labels: contradiction, entailment, neutral.
pub fn brief(random: &mut Random, label: usize) -> String {
    use Relation::{Contradiction, Entailment, Neutral};
    pair(random, [Contradiction, Entailment, Neutral][label], false)
}

/// Modelled on RTE; labels contradiction, entailment.
pub fn follows(random: &mut Random, label: usize) -> String {
    use Relation::{Contradiction, Entailment};
    pair(random, [Contradiction, Entailment][label], true)
}

fn pair(random: &mut Random, relation: Relation, long: bool) -> String {
    let name = pick(random, &NAMES);
    let (past, verb) = pick(random, &VERBS);
    let thing = pick(random, &THINGS);
    let place = pick(random, &PLACES);
    let (day, other_day) = pick_two(random, &DAYS);
    let premise = match long {
        true => format!("On {day} {name} {past} a {thing} in the {place}."),
        false => format!("{name} {past} a {thing} on {day}."),
    };
    let hypothesis = match relation {
        Relation::Entailment => match random.random_range(0..2) {
            0 => format!("{name} {past} a {thing}."),
            _ => format!("Somebody {past} a {thing}."),
        },
        Relation::Contradiction => match random.random_range(0..2) {
            0 => format!("{name} did not {verb} a {thing}."),
            _ => format!("Nobody {past} a {thing}."),
        },
        Relation::Neutral => match random.random_range(0..2) {
            0 => format!("The {thing} was old."),
            _ => format!("{name} was tired on {other_day}."),
        },
    };
    format!("sentence 1: {premise}\nsentence 2: {hypothesis}")
}

/// Modelled on QQP; labels False, True.
pub fn questions(random: &mut Random, label: usize) -> String {
    let ((_, verb), (_, other_verb)) = pick_two(random, &VERBS);
    let (thing, other_thing) = pick_two(random, &THINGS);
    let ask = |random: &mut Random, verb: &str, thing: &str| match random.random_range(0..4) {
        0 => format!("How can I {verb} a {thing}?"),
        1 => format!("What is the best way to {verb} a {thing}?"),
        2 => format!("Who can tell me how to {verb} a {thing}?"),
        _ => format!("Is it hard to {verb} a {thing}?"),
    };
    let first = ask(random, verb, thing);
    let second = match (label, random.random_bool(0.5)) {
        (0, true) => ask(random, other_verb, thing),
        (0, false) => ask(random, verb, other_thing),
        _ => ask(random, verb, thing),
    };
    format!("first sentence: {first}\nsecond sentence: {second}")
}
