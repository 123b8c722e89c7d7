//! Task `shares`, modelled on the second NumGLUE task of TRACE: a story that multiplies or divides.
//!
//! It has the same people, things and closing cue as `sums`, but needs the multiplication table.

use rand::RngExt;

use super::Row;
use super::words::{CONTAINERS, ITEMS, NAMES, Random, pick};

/// Draws a story and the number that it asks for; factors are from 2 to 9.
fn story(random: &mut Random) -> (String, u32) {
    let name = pick(random, &NAMES);
    let items = pick(random, &ITEMS);
    let (container, containers) = pick(random, &CONTAINERS);
    let (groups, each): (u32, u32) = (random.random_range(2..=9), random.random_range(2..=9));
    let product = groups * each;
    match random.random_range(0..5) {
        0 => (
            format!(
                "{name} has {groups} {containers}. Each {container} holds {each} {items}. How many {items} does {name} have?"
            ),
            product,
        ),
        1 => {
            let pays = pick(random, &["buys", "sells"]);
            (
                format!(
                    "{name} {pays} {groups} {items}. Each costs {each} dollars. How many dollars are they together?"
                ),
                product,
            )
        }
        2 => {
            let gets = pick(random, &["buys", "finds", "gets", "picks"]);
            (
                format!(
                    "{name} {gets} {each} {items} a day for {groups} days. How many {items} does {name} have now?"
                ),
                product,
            )
        }
        3 => (
            format!(
                "{name} has {product} {items}. Then {groups} friends share them. How many {items} does each friend get?"
            ),
            each,
        ),
        _ => (
            format!(
                "{name} puts {product} {items} into {groups} {containers}. How many {items} does each {container} hold?"
            ),
            each,
        ),
    }
}

/// Draws a row.
pub(super) fn row(random: &mut Random, _index: usize) -> Row {
    let (text, number) = story(random);
    Row {
        prompt: format!("Solve the puzzle with one number.\nStory: {text}\nNumber:"),
        answer: number.to_string(),
    }
}
