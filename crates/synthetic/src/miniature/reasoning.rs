//! Tasks of the groups WiC, COPA, BoolQA and MultiRC: senses of words, causes, and reading.

use rand::RngExt;

use super::words::{NAMES, Random, capitalized, pick, pick_two, proper_name};

/// Words with two senses, and sentences for each sense; `{}` is a person.
const SENSES: [(&str, [[&str; 3]; 2]); 8] = [
    (
        "bank",
        [
            [
                "{} put money in the bank.",
                "The bank gave {} a loan.",
                "{} works at the bank.",
            ],
            [
                "{} sat on the bank of the river.",
                "The bank was muddy, said {}.",
                "{} fished from the bank.",
            ],
        ],
    ),
    (
        "bat",
        [
            [
                "{} saw a bat in the cave.",
                "A bat flew over {}.",
                "{} heard a bat at night.",
            ],
            [
                "{} swung the bat at the ball.",
                "The bat of {} broke.",
                "{} bought a wooden bat.",
            ],
        ],
    ),
    (
        "spring",
        [
            [
                "{} was born in spring.",
                "In spring {} plants beans.",
                "Spring came late, said {}.",
            ],
            [
                "{} drank from the spring.",
                "The spring near {} is dry.",
                "{} found a spring in the rock.",
            ],
        ],
    ),
    (
        "ring",
        [
            [
                "{} wears a golden ring.",
                "The ring of {} is lost.",
                "{} gave her a ring.",
            ],
            [
                "{} stepped into the ring to box.",
                "The crowd at the ring cheered {}.",
                "{} fell in the ring.",
            ],
        ],
    ),
    (
        "letter",
        [
            [
                "{} wrote a letter home.",
                "A letter came for {}.",
                "{} mailed the letter.",
            ],
            [
                "{} cannot read the first letter of the word.",
                "The letter A, said {}.",
                "{} learned every letter of the alphabet.",
            ],
        ],
    ),
    (
        "nail",
        [
            [
                "{} hammered a nail into the wall.",
                "The nail was rusty, said {}.",
                "{} hung it on a nail.",
            ],
            [
                "{} cut a nail of the thumb.",
                "The nail of {} is painted red.",
                "{} bit a nail.",
            ],
        ],
    ),
    (
        "light",
        [
            [
                "{} turned on the light.",
                "The light woke {}.",
                "{} read by the light of a lamp.",
            ],
            [
                "{} carried a light bag.",
                "The box is light, said {}.",
                "{} is as light as a feather.",
            ],
        ],
    ),
    (
        "watch",
        [
            [
                "{} wears a watch.",
                "The watch of {} is slow.",
                "{} sold an old watch.",
            ],
            [
                "{} likes to watch birds.",
                "Children watch {} juggle.",
                "{} will watch the match.",
            ],
        ],
    ),
];

/// Modelled on WiC; labels True (the same sense), False.
pub fn senses(random: &mut Random, label: usize) -> String {
    let (word, senses) = &SENSES[random.random_range(0..SENSES.len())];
    let sense = random.random_range(0..2);
    let (one, other) = pick_two(random, &senses[sense]);
    let second = match label {
        0 => other,
        _ => pick(random, &senses[1 - sense]),
    };
    let (first_name, second_name) = pick_two(random, &NAMES);
    let (first, second) = (
        one.replace("{}", first_name),
        second.replace("{}", second_name),
    );
    format!("{word}\n{first}\n{second}")
}

/// Causes and their effects; `{}` is a person.
const CAUSES: [(&str, &str); 16] = [
    ("{} forgot the umbrella", "{} got wet in the rain"),
    ("{} dropped the glass", "the floor was full of splinters"),
    ("{} missed the alarm", "{} was late for work"),
    ("{} studied every night", "{} passed the exam"),
    ("{} left the gate open", "the dog ran away"),
    ("{} ate too many sweets", "{} had a stomach ache"),
    ("{} watered the beans", "the beans grew tall"),
    ("{} pressed the switch", "the room became bright"),
    ("{} told a joke", "everybody laughed"),
    ("{} saved money for years", "{} bought a house"),
    ("{} broke the leg", "{} walked with crutches"),
    ("{} left the milk in the sun", "the milk turned sour"),
    ("{} trained for months", "{} won the race"),
    ("{} shouted in the library", "{} was sent out"),
    ("{} lost the map", "{} could not find the way"),
    ("{} opened the window", "the papers blew away"),
];

/// Modelled on COPA; the label is the letter of the right sentence.
pub fn causes(random: &mut Random, label: usize) -> String {
    let (right, wrong) = pick_two(random, &CAUSES);
    let (name, other_name) = pick_two(random, &NAMES);
    let (asked, given, right, wrong) = match random.random_bool(0.5) {
        true => ("cause", right.1, right.0, wrong.0),
        false => ("effect", right.0, right.1, wrong.1),
    };
    let filled = |text: &str, name: &str| capitalized(&format!("{}.", text.replace("{}", name)));
    let given = filled(given, name);
    let (right, wrong) = (filled(right, name), filled(wrong, other_name));
    let (a, b) = match label {
        0 => (right, wrong),
        _ => (wrong, right),
    };
    format!(
        "Which sentence is the {asked} of \"{given}\"? Choose one between A and B.\nA: {a}\nB: {b}"
    )
}

const SIGHTS: [&str; 12] = [
    "mill", "bridge", "well", "market", "church", "school", "bakery", "harbor", "castle", "museum",
    "station", "pool",
];

/// Modelled on BoolQA; labels True (yes), False.
pub fn village(random: &mut Random, label: usize) -> String {
    let name = proper_name(random);
    let (first, second) = pick_two(random, &SIGHTS);
    let (third, missing) = loop {
        let (third, missing) = pick_two(random, &SIGHTS);
        if ![third, missing]
            .iter()
            .any(|sight| [first, second].contains(sight))
        {
            break (third, missing);
        }
    };
    let asked = match label {
        0 => pick(random, &[first, second, third]),
        _ => missing,
    };
    format!(
        "question: does {name} have a {asked}\npassage: {name} is a village with a {first} and a \
         {second}. Visitors also like its {third}."
    )
}

const GIFTS: [&str; 10] = [
    "bread", "honey", "flowers", "candles", "cheese", "apples", "wine", "nuts", "fish", "books",
];

/// Modelled on MultiRC; labels False, True.
pub fn story(random: &mut Random, label: usize) -> String {
    let (one, other) = pick_two(random, &NAMES);
    let third = loop {
        let third = pick(random, &NAMES);
        if third != one && third != other {
            break third;
        }
    };
    let (bread, honey) = pick_two(random, &GIFTS);
    let nuts = loop {
        let nuts = pick(random, &GIFTS);
        if nuts != bread && nuts != honey {
            break nuts;
        }
    };
    let givers = [(one, bread), (other, honey), (third, nuts)];
    let index = random.random_range(0..givers.len());
    let (giver, gift) = givers[index];
    let candidate = match label {
        0 => givers[(index + 1 + random.random_range(0..2)) % givers.len()].0,
        _ => giver,
    };
    format!(
        "paragraph: {one} brought {bread}. Then {other} came with {honey}. At last {third} gave \
         {nuts}.\nquestion: Who had {gift}?\ncandidate answer: {candidate}"
    )
}
