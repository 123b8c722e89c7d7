//! Tasks of the group TC: the topic of a text.

use rand::RngExt;

use super::words::{NAMES, Random, capitalized, pick, pick_two, proper_name};

/// Kinds of things, modelled on dbpedia.
pub const KINDS: [&str; 14] = [
    "Company",
    "School",
    "Artist",
    "Athlete",
    "Politician",
    "Vehicle",
    "Building",
    "River",
    "Village",
    "Animal",
    "Plant",
    "Album",
    "Film",
    "Book",
];

/// Names and descriptions of each kind.
const ENTRIES: [([&str; 3], [&str; 3]); 14] = [
    (
        ["firm", "maker of tools", "chain of shops"],
        [
            "with many workers",
            "that sells abroad",
            "founded by two brothers",
        ],
    ),
    (
        ["college", "primary school", "place of learning"],
        [
            "with many pupils",
            "known for its teachers",
            "with three classes",
        ],
    ),
    (
        ["painter", "singer", "sculptor"],
        [
            "whose works hang in museums",
            "famous for bright colors",
            "who plays the piano",
        ],
    ),
    (
        ["runner", "swimmer", "football player"],
        [
            "who won two medals",
            "who trains every day",
            "of the national team",
        ],
    ),
    (
        ["minister", "mayor", "member of parliament"],
        [
            "who won the election",
            "of the green party",
            "who wrote the new law",
        ],
    ),
    (
        ["truck", "sailing boat", "steam engine"],
        [
            "with a strong motor",
            "that carries freight",
            "with six wheels",
        ],
    ),
    (
        ["church", "tower", "old palace"],
        [
            "built of red brick",
            "with a high roof",
            "designed by an architect",
        ],
    ),
    (
        ["stream", "river", "waterway"],
        ["that flows to the sea", "with clear water", "full of trout"],
    ),
    (
        ["hamlet", "small village", "mountain village"],
        [
            "with ninety inhabitants",
            "in the valley",
            "near the border",
        ],
    ),
    (
        ["beetle", "bird", "kind of fish"],
        ["that feeds on seeds", "with long wings", "that lays eggs"],
    ),
    (
        ["herb", "tree", "flower"],
        [
            "with yellow leaves",
            "that grows in wet soil",
            "that blooms in spring",
        ],
    ),
    (
        ["record", "album", "collection of songs"],
        [
            "with twelve tracks",
            "recorded in one night",
            "by a rock band",
        ],
    ),
    (
        ["silent film", "comedy film", "movie"],
        [
            "directed by a newcomer",
            "shown in cinemas",
            "with a famous actress",
        ],
    ),
    (
        ["novel", "book", "volume of poems"],
        [
            "in three chapters",
            "printed last year",
            "by a young author",
        ],
    ),
];

/// Modelled on dbpedia.
pub fn entry(random: &mut Random, kind: usize) -> String {
    let name = proper_name(random);
    let (called, said) = &ENTRIES[kind];
    let (called, said) = (pick(random, called), pick(random, said));
    format!("Title: {name}\nText: {name} is a {called} {said}.\n")
}

/// Fields of questions, modelled on yahoo.
pub const FIELDS: [&str; 10] = [
    "Society",
    "Science",
    "Health",
    "Education",
    "Computers",
    "Sports",
    "Business",
    "Entertainment",
    "Family",
    "Politics",
];

const FIELD_WORDS: [[&str; 6]; 10] = [
    [
        "custom",
        "religion",
        "tradition",
        "holiday",
        "festival",
        "culture",
    ],
    ["planet", "atom", "gravity", "magnet", "comet", "molecule"],
    ["headache", "vitamin", "fever", "diet", "allergy", "pill"],
    ["exam", "homework", "lesson", "degree", "essay", "grade"],
    [
        "keyboard", "program", "virus", "browser", "password", "file",
    ],
    ["goal", "referee", "tennis match", "race", "league", "coach"],
    ["loan", "invoice", "tax", "salary", "bank account", "stock"],
    ["concert", "actor", "cartoon", "band", "show", "joke"],
    ["wedding", "baby", "husband", "sister", "cousin", "marriage"],
    [
        "vote",
        "senate",
        "party program",
        "ballot",
        "treaty",
        "government",
    ],
];

/// Modelled on yahoo.
pub fn forum(random: &mut Random, field: usize) -> String {
    let (first, second) = pick_two(random, &FIELD_WORDS[field]);
    let asks = match random.random_range(0..4) {
        0 => format!("what do you know about a {first}?"),
        1 => format!("is a {first} like a {second}?"),
        2 => format!("my friend asked me about the {first}, what shall I say?"),
        _ => format!("which {first} do you like?"),
    };
    let answer = match random.random_range(0..3) {
        0 => format!("every {second} is different"),
        1 => format!("look for a {second} first"),
        _ => format!("I would ask someone who knows the {second}"),
    };
    format!("Question: {asks}\nAnswer: {answer}\n")
}

/// Sections of a newspaper, modelled on agnews.
pub const SECTIONS: [&str; 4] = ["World", "Sports", "Business", "Science or Technology"];

const ACTORS: [[&str; 4]; 4] = [
    ["rebels", "the president", "the border guard", "diplomats"],
    [
        "the striker",
        "the home team",
        "the champion",
        "the goalkeeper",
    ],
    [
        "the retailer",
        "shareholders",
        "the oil company",
        "the airline",
    ],
    [
        "researchers",
        "the software maker",
        "astronomers",
        "engineers",
    ],
];

const EVENTS: [[&str; 4]; 4] = [
    [
        "sign a peace deal",
        "meet in the capital",
        "flee the war",
        "close the embassy",
    ],
    [
        "win the final",
        "lose by two goals",
        "reach the playoffs",
        "break a record",
    ],
    ["raise prices", "report a profit", "cut jobs", "buy a rival"],
    [
        "launch a satellite",
        "release a chip",
        "find a new star",
        "test a robot",
    ],
];

/// Modelled on agnews.
pub fn press(random: &mut Random, section: usize) -> String {
    let (one, other) = pick_two(random, &ACTORS[section]);
    let (first, second) = pick_two(random, &EVENTS[section]);
    let name = pick(random, &NAMES);
    let title = format!("{} {first}", capitalized(one));
    match random.random_range(0..2) {
        0 => format!("Title: {title}\nText: {name} says that {other} may {second} this week.\n"),
        _ => format!("Title: {title}\nText: After that, {other} will {second}, reports {name}.\n"),
    }
}
