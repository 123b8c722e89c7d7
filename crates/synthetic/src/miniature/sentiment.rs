//! Tasks of the group SC: how somebody liked something, in five grades or two.

use rand::RngExt;

use super::words::{Random, capitalized, pick, pick_two};

/// Grades of cafes and gadgets, in the order of the options.
pub const FIVE: [&str; 5] = [
    "very negative",
    "negative",
    "neutral",
    "positive",
    "very positive",
];

/// Grades of films and notes.
pub const TWO: [&str; 2] = ["Good", "Bad"];

/// Adjectives for each of the five grades.
const GRADES: [[&str; 5]; 5] = [
    ["awful", "horrible", "dreadful", "terrible", "disgusting"],
    ["poor", "weak", "dull", "disappointing", "mediocre"],
    ["average", "ordinary", "acceptable", "usual", "plain"],
    ["good", "nice", "pleasant", "decent", "solid"],
    ["superb", "wonderful", "excellent", "fantastic", "perfect"],
];

const VERDICTS: [[&str; 3]; 5] = [
    [
        "I will never come back",
        "the worst ever",
        "I want my money back",
    ],
    ["I expected more", "not worth it", "others do better"],
    ["nothing special", "as everywhere", "neither here nor there"],
    ["I was pleased", "worth a try", "I can recommend it"],
    [
        "the best ever",
        "I am thrilled",
        "I love everything about it",
    ],
];

fn graded(random: &mut Random, aspects: &[&str], grade: usize) -> String {
    let (first, second) = pick_two(random, aspects);
    let (one, other) = pick_two(random, &GRADES[grade]);
    let verdict = pick(random, &VERDICTS[grade]);
    match random.random_range(0..3) {
        0 => format!("The {first} was {one} and the {second} was {other}."),
        1 => format!("{}, the {first} is {one}.", capitalized(verdict)),
        _ => format!("{} {first}, {other} {second}, {verdict}.", capitalized(one)),
    }
}

/// Modelled on yelp.
pub fn cafe(random: &mut Random, grade: usize) -> String {
    const ASPECTS: [&str; 10] = [
        "coffee", "cake", "service", "waiter", "soup", "table", "music", "salad", "bread", "tea",
    ];
    format!("Text: {}\n", graded(random, &ASPECTS, grade))
}

/// Modelled on amazon.
pub fn gadget(random: &mut Random, grade: usize) -> String {
    const THINGS: [&str; 8] = [
        "lamp", "radio", "camera", "clock", "kettle", "phone", "fan", "printer",
    ];
    const ASPECTS: [&str; 8] = [
        "battery", "screen", "cable", "button", "sound", "case", "manual", "price",
    ];
    let thing = pick(random, &THINGS);
    let text = graded(random, &ASPECTS, grade);
    format!("Title: {}\nText: {text}\n", capitalized(thing))
}

const GOOD: [&str; 8] = [
    "moving",
    "funny",
    "clever",
    "charming",
    "brilliant",
    "lively",
    "warm",
    "gripping",
];
const BAD: [&str; 8] = [
    "boring", "silly", "clumsy", "noisy", "empty", "tired", "cold", "confused",
];

fn mood(label: usize) -> &'static [&'static str; 8] {
    match label {
        0 => &GOOD,
        _ => &BAD,
    }
}

/// Modelled on IMDB.
pub fn film(random: &mut Random, label: usize) -> String {
    const PARTS: [&str; 8] = [
        "plot", "ending", "cast", "hero", "dialogue", "camera", "opening", "villain",
    ];
    let (first, second) = pick_two(random, &PARTS);
    let (one, other) = pick_two(random, mood(label));
    let opening = pick(
        random,
        &[
            "I saw this film twice",
            "We watched it at home",
            "It runs for two hours",
        ],
    );
    format!("{opening}.<br />The {first} is {one}, the {second} is {other}.")
}

/// Modelled on SST-2.
pub fn note(random: &mut Random, label: usize) -> String {
    const SUBJECTS: [&str; 8] = [
        "comedy", "drama", "portrait", "tale", "thriller", "romance", "debut", "sequel",
    ];
    let (one, other) = pick_two(random, mood(label));
    let subject = pick(random, &SUBJECTS);
    match random.random_range(0..2) {
        0 => format!("Text: a {one} and {other} {subject} "),
        _ => format!("Text: the {subject} is {one} , even {other} "),
    }
}
