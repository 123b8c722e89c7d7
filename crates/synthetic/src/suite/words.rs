//! The word lists that several parts of the suite share, and how words are drawn and joined.

use rand::{RngExt, seq::IndexedRandom};

/// The generator behind every draw; its output is fixed by the seed on all platforms.
pub(super) type Random = rand_chacha::ChaCha8Rng;

/// First names of the people in stories and opinions.
pub(super) const NAMES: [&str; 16] = [
    "Ana", "Ben", "Carl", "Dina", "Eva", "Finn", "Gina", "Hugo", "Ines", "Jack", "Kim", "Leo",
    "Maya", "Nora", "Omar", "Paul",
];

/// Days of the week from Monday.
pub(super) const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Months of the year from January.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Public places and things, written without their article.
pub(super) const PLACES: [&str; 20] = [
    "park", "library", "bridge", "market", "museum", "zoo", "pool", "stadium", "theater",
    "airport", "harbor", "tunnel", "school", "hospital", "station", "garden", "fountain", "tower",
    "factory", "ferry",
];

/// Things that are counted in stories, in the plural.
pub(super) const ITEMS: [&str; 14] = [
    "apples", "pens", "books", "shells", "stamps", "cards", "coins", "stones", "eggs", "flowers",
    "balls", "cakes", "keys", "nuts",
];

/// What things are kept in: singular and plural.
pub(super) const CONTAINERS: [(&str, &str); 6] = [
    ("box", "boxes"),
    ("bag", "bags"),
    ("basket", "baskets"),
    ("jar", "jars"),
    ("tray", "trays"),
    ("drawer", "drawers"),
];

/// One entry of a word list.
pub(super) fn pick<T: Copy>(random: &mut Random, list: &[T]) -> T {
    *list.choose(random).expect("invariant: no list is empty")
}

/// Two different entries of a word list of at least two.
pub(super) fn pick_two<T: Copy + PartialEq>(random: &mut Random, list: &[T]) -> (T, T) {
    let first = pick(random, list);
    (first, pick_other(random, list, first))
}

/// An entry of a word list that holds others than `not`.
pub(super) fn pick_other<T: Copy + PartialEq>(random: &mut Random, list: &[T], not: T) -> T {
    loop {
        let entry = pick(random, list);
        if entry != not {
            return entry;
        }
    }
}

/// True with the given chance in percent.
pub(super) fn chance(random: &mut Random, percent: u32) -> bool {
    random.random_range(0..100) < percent
}

/// The text with its first letter in upper case.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The noun with the indefinite article that fits its spelling.
pub(super) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}
