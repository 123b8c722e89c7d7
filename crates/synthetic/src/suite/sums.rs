//! Task `sums`, modelled on NumGLUE: a story with one addition or subtraction.

use rand::RngExt;

use super::Row;
use super::words::{CONTAINERS, ITEMS, NAMES, Random, pick, pick_two};

/// Draws a story and the number that it asks for; its numbers are from 2 to 20, so that plurals
/// fit.
fn story(random: &mut Random) -> (String, u32) {
    let (name, other) = pick_two(random, &NAMES);
    let items = pick(random, &ITEMS);
    let (container, _) = pick(random, &CONTAINERS);
    let whole: u32 = random.random_range(4..=20);
    let part = random.random_range(2..=whole - 2);
    let rest = whole - part;
    match random.random_range(0..5) {
        0 => {
            let gets = pick(random, &["buys", "finds", "gets", "picks"]);
            (
                format!(
                    "{name} has {part} {items}. Then {name} {gets} {rest} more. How many {items} does {name} have now?"
                ),
                whole,
            )
        }
        1 => {
            let loses = pick(random, &["sells", "loses", "gives away", "drops"]);
            (
                format!(
                    "{name} has {whole} {items}. Then {name} {loses} {part} of them. How many {items} are left?"
                ),
                rest,
            )
        }
        2 => (
            format!(
                "{name} has {part} {items} and {other} has {rest} {items}. How many {items} do they have together?"
            ),
            whole,
        ),
        3 => (
            format!(
                "{name} has {whole} {items}. {other} has {part} {items}. How many more {items} does {name} have than {other}?"
            ),
            rest,
        ),
        _ => (
            format!(
                "There are {part} {items} in the {container}. {name} puts in {rest} more. How many {items} does the {container} hold now?"
            ),
            whole,
        ),
    }
}

/// Draws a row.
pub(super) fn row(random: &mut Random, _index: usize) -> Row {
    let (text, number) = story(random);
    Row {
        prompt: format!("Solve the story with one number.\nStory: {text}\nNumber:"),
        answer: number.to_string(),
    }
}
