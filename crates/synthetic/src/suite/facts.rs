//! General knowledge: a fixed list of facts, with a few questions and statements for each.
//!
//! The mixture, the probe and the task `choice` take all wordings from this module, so a later
//! question uses the words of an earlier statement. Every question has one right answer.

use std::sync::LazyLock;

use super::words::{DAYS, MONTHS, capitalized, with_article};

/// The topic of a fact; facts of one kind have answers of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Color,
    Opposite,
    Plural,
    Sound,
    Young,
    Home,
    Material,
    DayAfter,
    DayBefore,
    MonthAfter,
    MonthBefore,
    Category,
}

/// One fact. The subject of a colour includes its article; other subjects are nouns without
/// article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) kind: Kind,
    pub(super) subject: &'static str,
    pub(super) answer: &'static str,
}

type Pairs = &'static [(&'static str, &'static str)];

const COLORS: Pairs = &[
    ("a banana", "yellow"),
    ("a lemon", "yellow"),
    ("the grass", "green"),
    ("a frog", "green"),
    ("the snow", "white"),
    ("milk", "white"),
    ("coal", "black"),
    ("a crow", "black"),
    ("the sky", "blue"),
    ("the ocean", "blue"),
    ("blood", "red"),
    ("a cherry", "red"),
    ("a tomato", "red"),
    ("a walnut", "brown"),
    ("mud", "brown"),
    ("an elephant", "gray"),
    ("a carrot", "orange"),
    ("a pumpkin", "orange"),
];

const OPPOSITES: Pairs = &[
    ("hot", "cold"),
    ("big", "small"),
    ("fast", "slow"),
    ("high", "low"),
    ("old", "new"),
    ("happy", "sad"),
    ("open", "closed"),
    ("full", "empty"),
    ("early", "late"),
    ("wet", "dry"),
    ("dark", "bright"),
    ("strong", "weak"),
    ("loud", "quiet"),
    ("thick", "thin"),
    ("rich", "poor"),
    ("clean", "dirty"),
    ("cheap", "expensive"),
    ("near", "far"),
];

const PLURALS: Pairs = &[
    ("mouse", "mice"),
    ("child", "children"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("man", "men"),
    ("woman", "women"),
    ("goose", "geese"),
    ("box", "boxes"),
    ("leaf", "leaves"),
    ("city", "cities"),
    ("knife", "knives"),
    ("baby", "babies"),
    ("bus", "buses"),
    ("dish", "dishes"),
];

const SOUNDS: Pairs = &[
    ("dog", "bark"),
    ("cat", "meow"),
    ("cow", "moo"),
    ("horse", "neigh"),
    ("duck", "quack"),
    ("lion", "roar"),
    ("bee", "buzz"),
    ("snake", "hiss"),
    ("owl", "hoot"),
    ("pig", "oink"),
    ("frog", "croak"),
];

const YOUNG: Pairs = &[
    ("dog", "puppy"),
    ("cat", "kitten"),
    ("cow", "calf"),
    ("sheep", "lamb"),
    ("horse", "foal"),
    ("duck", "duckling"),
    ("lion", "cub"),
    ("goose", "gosling"),
    ("hen", "chick"),
    ("pig", "piglet"),
    ("frog", "tadpole"),
    ("deer", "fawn"),
];

const HOMES: Pairs = &[
    ("bee", "hive"),
    ("bird", "nest"),
    ("spider", "web"),
    ("horse", "stable"),
    ("pig", "sty"),
    ("rabbit", "burrow"),
    ("snail", "shell"),
    ("dog", "kennel"),
    ("bear", "cave"),
    ("camel", "desert"),
    ("monkey", "jungle"),
];

const MATERIALS: Pairs = &[
    ("window", "glass"),
    ("table", "wood"),
    ("coin", "metal"),
    ("shirt", "cotton"),
    ("tire", "rubber"),
    ("book", "paper"),
    ("sweater", "wool"),
    ("brick", "clay"),
    ("shoe", "leather"),
    ("candle", "wax"),
    ("statue", "marble"),
];

const CATEGORIES: Pairs = &[
    ("rose", "flower"),
    ("tulip", "flower"),
    ("oak", "tree"),
    ("pine", "tree"),
    ("hammer", "tool"),
    ("saw", "tool"),
    ("piano", "instrument"),
    ("violin", "instrument"),
    ("apple", "fruit"),
    ("pear", "fruit"),
    ("onion", "vegetable"),
    ("potato", "vegetable"),
    ("eagle", "bird"),
    ("parrot", "bird"),
    ("ant", "insect"),
    ("fly", "insect"),
    ("salmon", "fish"),
    ("trout", "fish"),
];

/// All facts, in a fixed order.
pub(super) static FACTS: LazyLock<Vec<Fact>> = LazyLock::new(|| {
    let mut facts = Vec::new();
    let mut add = |kind, subject, answer| {
        facts.push(Fact {
            kind,
            subject,
            answer,
        });
    };
    for (kind, pairs) in [
        (Kind::Color, COLORS),
        (Kind::Opposite, OPPOSITES),
        (Kind::Plural, PLURALS),
        (Kind::Sound, SOUNDS),
        (Kind::Young, YOUNG),
        (Kind::Home, HOMES),
        (Kind::Material, MATERIALS),
        (Kind::Category, CATEGORIES),
    ] {
        for &(subject, answer) in pairs {
            add(kind, subject, answer);
            if kind == Kind::Opposite {
                add(kind, answer, subject);
            }
        }
    }
    for (after, before, cycle) in [
        (Kind::DayAfter, Kind::DayBefore, &DAYS[..]),
        (Kind::MonthAfter, Kind::MonthBefore, &MONTHS[..]),
    ] {
        for (position, entry) in cycle.iter().copied().enumerate() {
            let next = cycle[(position + 1) % cycle.len()];
            add(after, entry, next);
            add(before, next, entry);
        }
    }
    facts
});

impl Fact {
    /// The questions about the fact.
    pub(super) fn questions(&self) -> [String; 2] {
        let s = self.subject;
        match self.kind {
            Kind::Color => [
                format!("What color is {s}?"),
                format!("Which color does {s} have?"),
            ],
            Kind::Opposite => [
                format!("What is the opposite of {s}?"),
                format!("Which word is the opposite of {s}?"),
            ],
            Kind::Plural => [
                format!("What is the plural of {s}?"),
                format!("Which word means more than one {s}?"),
            ],
            Kind::Sound => [
                format!("What sound does {} make?", with_article(s)),
                format!("Which sound comes from {}?", with_article(s)),
            ],
            Kind::Young => [
                format!("What is a young {s} called?"),
                format!("What is the young of {}?", with_article(s)),
            ],
            Kind::Home => [
                format!("Where does {} live?", with_article(s)),
                format!("What is the home of {}?", with_article(s)),
            ],
            Kind::Material => [
                format!("What is {} made of?", with_article(s)),
                format!("Which material is {} made of?", with_article(s)),
            ],
            Kind::DayAfter => [
                format!("Which day comes after {s}?"),
                format!("What day is right after {s}?"),
            ],
            Kind::DayBefore => [
                format!("Which day comes before {s}?"),
                format!("What day is right before {s}?"),
            ],
            Kind::MonthAfter => [
                format!("Which month comes after {s}?"),
                format!("What month is right after {s}?"),
            ],
            Kind::MonthBefore => [
                format!("Which month comes before {s}?"),
                format!("What month is right before {s}?"),
            ],
            Kind::Category => [
                format!("What kind of thing is {}?", with_article(s)),
                format!("To which group does {} belong?", with_article(s)),
            ],
        }
    }

    /// The statements of the fact; the first is the plainest.
    pub(super) fn statements(&self) -> [String; 2] {
        let (s, a) = (self.subject, self.answer);
        let [plain, other] = match self.kind {
            Kind::Color => [format!("{s} is {a}."), format!("the color of {s} is {a}.")],
            Kind::Opposite => [
                format!("the opposite of {s} is {a}."),
                format!("{s} is the opposite of {a}."),
            ],
            Kind::Plural => [
                format!("the plural of {s} is {a}."),
                format!("one {s}, many {a}."),
            ],
            Kind::Sound => [
                format!("the sound of {} is {}.", with_article(s), with_article(a)),
                format!("{} comes from {}.", with_article(a), with_article(s)),
            ],
            Kind::Young => [
                format!("a young {s} is called {}.", with_article(a)),
                format!("{} grows up to be {}.", with_article(a), with_article(s)),
            ],
            Kind::Home => [
                format!("{} lives in {}.", with_article(s), with_article(a)),
                format!("the home of {} is {}.", with_article(s), with_article(a)),
            ],
            Kind::Material => [
                format!("{} is made of {a}.", with_article(s)),
                format!("people use {a} to make {}.", with_article(s)),
            ],
            Kind::DayAfter | Kind::MonthAfter => [
                format!("{a} comes after {s}."),
                format!("right after {s} comes {a}."),
            ],
            Kind::DayBefore | Kind::MonthBefore => [
                format!("{a} comes before {s}."),
                format!("right before {s} comes {a}."),
            ],
            Kind::Category => [
                format!("{} is a kind of {a}.", with_article(s)),
                format!("the {s} belongs to the group {a}."),
            ],
        };
        [capitalized(&plain), capitalized(&other)]
    }
}
