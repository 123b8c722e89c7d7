//! Word lists that several parts of the suite share, and functions that draw and join words.

use rand::{RngExt, seq::IndexedRandom};

/// The random generator of all draws; its output depends on the seed only, on all platforms.
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

/// Public places and things, without their article.
pub(super) const PLACES: [&str; 20] = [
    "park", "library", "bridge", "market", "museum", "zoo", "pool", "stadium", "theater",
    "airport", "harbor", "tunnel", "school", "hospital", "station", "garden", "fountain", "tower",
    "factory", "ferry",
];

/// Things to count in stories, in the plural.
pub(super) const ITEMS: [&str; 14] = [
    "apples", "pens", "books", "shells", "stamps", "cards", "coins", "stones", "eggs", "flowers",
    "balls", "cakes", "keys", "nuts",
];

/// Containers: singular and plural.
pub(super) const CONTAINERS: [(&str, &str); 6] = [
    ("box", "boxes"),
    ("bag", "bags"),
    ("basket", "baskets"),
    ("jar", "jars"),
    ("tray", "trays"),
    ("drawer", "drawers"),
];

/// Draws an entry of a word list.
pub(super) fn pick<T: Copy>(random: &mut Random, list: &[T]) -> T {
    *list.choose(random).expect("invariant: no list is empty")
}

/// Draws two different entries of a word list, which must have at least two.
pub(super) fn pick_two<T: Copy + PartialEq>(random: &mut Random, list: &[T]) -> (T, T) {
    let first = pick(random, list);
    (first, pick_other(random, list, first))
}

/// Draws an entry other than `not`; the word list must have one.
pub(super) fn pick_other<T: Copy + PartialEq>(random: &mut Random, list: &[T], not: T) -> T {
    loop {
        let entry = pick(random, list);
        if entry != not {
            return entry;
        }
    }
}

/// True with a probability of `percent` percent.
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

/// The noun with its indefinite article, chosen by its spelling.
pub(super) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}
