//! Synonyms, longer sentences, scripts, copying, and descriptions of the rarer words.

use rand::{RngExt, seq::SliceRandom};

use super::Document;
use crate::suite::code::{COUNTERS, FUNCTIONS, HANDLES, LISTS, PARAMETERS, RESULTS};
use crate::suite::probe;
use crate::suite::simplify::{
    ADVERBS, CIRCUMSTANCES, CLAUSES, PEOPLE, QUALITIES, Synonym, THINGS, VERBS,
};
use crate::suite::words::{
    ITEMS, NAMES, PLACES, Random, capitalized, chance, pick, pick_two, with_article,
};

/// Sentences that use the words of which the tasks' instructions are made.
const GLOSSARY: [&str; 16] = [
    "A stance is what a person thinks of a target.",
    "People in favor support a plan, and people against it reject it.",
    "A neutral person takes no side.",
    "A dovish bank likes low rates and a hawkish bank likes high rates.",
    "The tone of a bank tells where money is going.",
    "To summarize a meeting is to tell it in a few words.",
    "A transcript holds each line that was said at the meeting.",
    "A summary is short.",
    "Some code is not complete, so the next line is still to come.",
    "When you choose one thing or another, have a reason.",
    "A person can solve a puzzle with some thought.",
    "A story may be about a number.",
    "You can rewrite a sentence with simple words.",
    "A text is made of words.",
    "A puzzle is solved step by step.",
    "Give the book to a friend.",
];

fn synonyms() -> Vec<Synonym> {
    [&PEOPLE[..], &VERBS[..], &QUALITIES[..], &THINGS[..]].concat()
}

/// The meaning of one long-winded word.
pub(super) fn meaning(random: &mut Random) -> Document {
    let (long, plain) = pick(random, &synonyms());
    Document::asked(probe::question(&format!("What does {long} mean?")), plain)
}

/// Four words and their meanings in prose.
pub(super) fn meanings(random: &mut Random) -> Document {
    let mut pairs = synonyms();
    pairs.shuffle(random);
    let sentences: Vec<_> = pairs[..4]
        .iter()
        .map(|(long, plain)| format!("{} means {plain}.", capitalized(long)))
        .collect();
    Document::prose(sentences.join(" "))
}

/// A part of a sentence and its meaning in plain words.
pub(super) fn phrase(random: &mut Random) -> Document {
    let person = pick(random, &PEOPLE);
    let verb = pick(random, &VERBS);
    let quality = pick(random, &QUALITIES);
    let thing = pick(random, &THINGS);
    let circumstance = pick(random, &CIRCUMSTANCES);
    let long_object = format!("{} {}", with_article(quality.0), thing.0);
    let plain_object = format!("{} {}", with_article(quality.1), thing.1);
    let (long, plain) = match random.random_range(0..6) {
        0 => (circumstance.0.to_string(), circumstance.1.to_string()),
        1 | 2 => (
            format!("{} {long_object}", verb.0),
            format!("{} {plain_object}", verb.1),
        ),
        3 => (
            format!("the {} {}", person.0, circumstance.0),
            format!("the {} {}", person.1, circumstance.1),
        ),
        _ => (
            format!("{long_object} {}", circumstance.0),
            format!("{plain_object} {}", circumstance.1),
        ),
    };
    Document::asked(format!("Phrase: {long}\nMeaning:"), plain)
}

/// A sentence with an aside, in plain or long-winded words.
pub(super) fn aside(random: &mut Random) -> Document {
    let plain = chance(random, 50);
    let word = |(long, short): Synonym| if plain { short } else { long };
    let person = word(pick(random, &PEOPLE));
    let verb = word(pick(random, &VERBS));
    let quality = word(pick(random, &QUALITIES));
    let thing = word(pick(random, &THINGS));
    let object = format!("{} {thing}", with_article(quality));
    let circumstance = word(pick(random, &CIRCUMSTANCES));
    let adverb = pick(random, &ADVERBS);
    let clause = pick(random, &CLAUSES);
    Document::prose(match random.random_range(0..3) {
        0 => format!("There was {object}, and the {person}, {clause}, {verb} it {circumstance}."),
        1 => format!(
            "{} the {person} {verb} {object} {circumstance}.",
            capitalized(adverb)
        ),
        _ => format!("{}, {clause}, {verb} {object}.", pick(random, &NAMES)),
    })
}

/// A complete script, in a style of its own.
pub(super) fn script(random: &mut Random) -> Document {
    let (list, entry) = pick(random, &LISTS);
    let result = pick(random, &RESULTS);
    let function = pick(random, &FUNCTIONS);
    let number = random.random_range(1..=20);
    let lines = match random.random_range(0..6) {
        0 => format!(
            "def {function}({list}):\n  {result} = 0\n  for {entry} in {list}:\n    {result} = {result} + {entry}\n  print({result})\n  return {result}"
        ),
        1 => {
            let handle = pick(random, &HANDLES);
            format!("{handle} = open(\"{list}\")\n{result} = read({handle})\nclose({handle})")
        }
        2 => {
            let counter = pick(random, &COUNTERS);
            format!(
                "{counter} = {number}\nwhile {counter} > 0:\n  print({counter})\n  {counter} = {counter} - 1"
            )
        }
        3 => format!(
            "{result} = []\nfor {entry} in {list}:\n  if {entry} < {number}:\n    {result} = {result} + [{entry}]"
        ),
        4 => format!(
            "{result} = {number}\nfor {entry} in {list}:\n  {result} = max({result}, {entry})\nprint({result})"
        ),
        _ => {
            let (one, other) = pick_two(random, &PARAMETERS);
            let sign = pick(random, &["+", "-", "*"]);
            format!(
                "{one} = {number}\n{other} = {number}\n{result} = {one} {sign} {other}\n{result}.append({one})\nprint({result})"
            )
        }
    };
    Document::prose(format!("Script\n{lines}"))
}

/// A list of words to repeat.
pub(super) fn copy(random: &mut Random) -> Document {
    let mut words = [&NAMES[..], &ITEMS[..], &PLACES[..]].concat();
    words.shuffle(random);
    words.truncate(random.random_range(3..=7));
    let list = words.join(" ");
    Document::asked(format!("Say: {list}\nAgain:"), list)
}

/// Two sentences that use words about language.
pub(super) fn glossary(random: &mut Random) -> Document {
    let (one, other) = pick_two(random, &GLOSSARY);
    Document::prose(format!("{one} {other}"))
}
