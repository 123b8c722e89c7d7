//! Functions that draw words, and word lists that several tasks share.

use rand::{RngExt, seq::IndexedRandom};

/// The random generator of all draws; its output depends on the seed only, on all platforms.
pub type Random = rand_chacha::ChaCha8Rng;

pub const NAMES: [&str; 16] = [
    "Ada", "Boris", "Clara", "David", "Elsa", "Felix", "Greta", "Henry", "Irma", "Jonas", "Klara",
    "Louis", "Marta", "Nils", "Olga", "Peter",
];

pub const PLACES: [&str; 10] = [
    "kitchen", "garden", "street", "office", "school", "market", "station", "park", "library",
    "harbor",
];

pub const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Draws an entry of a list.
pub fn pick<T: Copy>(random: &mut Random, list: &[T]) -> T {
    *list.choose(random).expect("invariant: lists are not empty")
}

/// Draws two different entries of a list.
pub fn pick_two<T: Copy + PartialEq>(random: &mut Random, list: &[T]) -> (T, T) {
    let first = pick(random, list);
    loop {
        let second = pick(random, list);
        if second != first {
            return (first, second);
        }
    }
}

/// A made-up proper name of two or three syllables.
pub fn proper_name(random: &mut Random) -> String {
    const STARTS: [&str; 14] = [
        "Bal", "Cor", "Dar", "El", "Far", "Gor", "Hal", "Kir", "Lan", "Mor", "Nor", "Pel", "Sar",
        "Tor",
    ];
    const MIDDLES: [&str; 6] = ["a", "e", "i", "o", "an", "er"];
    const ENDS: [&str; 10] = [
        "bek", "den", "dor", "lin", "mar", "nis", "rus", "ston", "ton", "vik",
    ];
    let middle = match random.random_bool(0.5) {
        true => pick(random, &MIDDLES),
        false => "",
    };
    format!("{}{middle}{}", pick(random, &STARTS), pick(random, &ENDS))
}

/// A text with its first letter in upper case.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
