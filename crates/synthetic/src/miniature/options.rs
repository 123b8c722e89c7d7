//! Additional pre-training data of an encoder-decoder: choose the option that occurs in a text.
//!
//! The options are words, exactly one of which occurs in the text. The prompts have the form of the
//! benchmark's tasks without their meaning, as instruction-tuned models know it.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng, seq::SliceRandom};

use super::words::{Random, pick};

/// Minimum length of a word that can be an option.
const SHORTEST: usize = 4;
/// Maximum number of options; the tasks have two to fourteen.
const MOST_OPTIONS: usize = 10;
/// Number of failed draws after which no further option is added.
const MAX_DRAWS: usize = 50;

/// A prompt and its answer for every text with a suitable word. Words of `excluded`, which are in
/// lower case, are never options.
pub fn options<'a>(
    texts: &'a [String],
    excluded: &'a BTreeSet<String>,
    seed: u64,
) -> impl Iterator<Item = (String, String)> + 'a {
    let mut random = Random::seed_from_u64(seed);
    texts
        .iter()
        .filter_map(move |text| question(text, texts, excluded, &mut random))
}

fn question(
    text: &str,
    texts: &[String],
    excluded: &BTreeSet<String>,
    random: &mut Random,
) -> Option<(String, String)> {
    let lower = text.to_lowercase();
    let answer = any_word(text, excluded, random)?;
    let count = random.random_range(2..=MOST_OPTIONS);
    let mut options = vec![answer.clone()];
    for _ in 0..MAX_DRAWS {
        if options.len() == count {
            break;
        }
        let other = &texts[random.random_range(0..texts.len())];
        match any_word(other, excluded, random) {
            Some(word) if !lower.contains(&word) && !options.contains(&word) => options.push(word),
            _ => {}
        }
    }
    if options.len() == 1 {
        return None;
    }
    options.shuffle(random);
    let asked = pick(
        random,
        &[
            "Which word stands in the text?",
            "Find the word.",
            "Which word is there?",
        ],
    );
    let options = options.join(", ");
    let prompt =
        format!("{asked} Choose one from the option.\nOption: {options} \n{text}\nAnswer:");
    Some((prompt, answer))
}

/// A word of a text that can be an option, in lower case.
fn any_word(text: &str, excluded: &BTreeSet<String>, random: &mut Random) -> Option<String> {
    let words: BTreeSet<String> = text
        .split(|letter: char| !letter.is_alphabetic())
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() >= SHORTEST && !excluded.contains(word))
        .collect();
    let place = match words.len() {
        0 => return None,
        count => random.random_range(0..count),
    };
    words.into_iter().nth(place)
}
