//! Arithmetic, and stories that lead to it.

use rand::RngExt;

use super::Document;
use crate::suite::probe;
use crate::suite::words::{CONTAINERS, ITEMS, NAMES, Random, chance, pick, pick_two};

/// A calculation in words and its result, at most 81.
fn calculation(random: &mut Random) -> (String, u32) {
    if chance(random, 70) {
        // The tasks ask for sums up to 20; some larger sums prevent a model from knowing only
        // those.
        let most = if chance(random, 70) { 20 } else { 40 };
        let (part, rest) = parts(random, most);
        let whole = part + rest;
        if random.random_bool(0.5) {
            (format!("{part} plus {rest}"), whole)
        } else {
            (format!("{whole} minus {part}"), rest)
        }
    } else {
        let (one, other): (u32, u32) = (random.random_range(2..=9), random.random_range(2..=9));
        let product = one * other;
        if random.random_bool(0.5) {
            (format!("{one} times {other}"), product)
        } else {
            (format!("{product} divided by {one}"), other)
        }
    }
}

/// Two positive numbers with a sum of at most `most`; all such pairs are equally likely.
fn parts(random: &mut Random, most: u32) -> (u32, u32) {
    loop {
        let (part, rest) = (random.random_range(1..most), random.random_range(1..most));
        if part + rest <= most {
            return (part, rest);
        }
    }
}

/// A question on a calculation and its answer.
pub(super) fn turn(random: &mut Random) -> (String, String) {
    let (text, result) = calculation(random);
    (
        probe::question(&format!("What is {text}?")),
        result.to_string(),
    )
}

/// One calculation.
pub(super) fn question(random: &mut Random) -> Document {
    let (prompt, answer) = turn(random);
    Document::asked(prompt, answer)
}

/// Four calculations.
pub(super) fn quiz(random: &mut Random) -> Document {
    let turns: Vec<_> = (0..4).map(|_| turn(random)).collect();
    Document::series("Quiz", &turns)
}

/// Four calculations in prose.
pub(super) fn statements(random: &mut Random) -> Document {
    let sentences: Vec<_> = (0..4)
        .map(|_| {
            let (text, result) = calculation(random);
            format!("{text} is {result}.")
        })
        .collect();
    Document::prose(sentences.join(" "))
}

/// A story and the question about it.
struct Scene {
    text: String,
    question: String,
    unit: &'static str,
    count: u32,
}

impl Scene {
    fn draw(random: &mut Random) -> Self {
        if random.random_bool(0.5) {
            Self::of_sum(random)
        } else {
            Self::of_product(random)
        }
    }

    fn of_sum(random: &mut Random) -> Self {
        let (name, other) = pick_two(random, &NAMES);
        let items = pick(random, &ITEMS);
        let (container, _) = pick(random, &CONTAINERS);
        let whole: u32 = random.random_range(4..=20);
        let part = random.random_range(2..=whole - 2);
        let rest = whole - part;
        let in_all = format!("How many {items} is that?");
        let remaining = format!("How many {items} stay?");
        let (text, question, count) = match random.random_range(0..6) {
            0 => {
                let gets = pick(random, &["buys", "finds", "gets", "picks"]);
                let text = format!("First {name} has {part} {items}, then {name} {gets} {rest}.");
                (text, in_all, whole)
            }
            1 => {
                let loses = pick(random, &["sells", "loses", "gives away", "drops"]);
                let text = format!("Of {whole} {items} {name} {loses} {part}.");
                (text, remaining, rest)
            }
            2 => (
                format!(
                    "{name} brings {part} {items}, {other} brings {rest}. They put them together."
                ),
                in_all,
                whole,
            ),
            3 => (
                format!(
                    "{name} has {part} {items} and would like to have {whole}, as {other} does."
                ),
                format!("How many more {items} are missing?"),
                rest,
            ),
            4 => (
                format!(
                    "The {container} has {part} {items} in it. Now {name} puts {rest} into it."
                ),
                in_all,
                whole,
            ),
            _ => (
                format!("From a {container} with {whole} {items} {name} takes {part}."),
                remaining,
                rest,
            ),
        };
        Self {
            text,
            question,
            unit: items,
            count,
        }
    }

    fn of_product(random: &mut Random) -> Self {
        let name = pick(random, &NAMES);
        let items = pick(random, &ITEMS);
        let (container, containers) = pick(random, &CONTAINERS);
        let (groups, each): (u32, u32) = (random.random_range(2..=9), random.random_range(2..=9));
        let product = groups * each;
        let in_all = format!("How many {items} is that in all?");
        let share = format!("How many {items} is that for each?");
        let (text, question, unit, count) = match random.random_range(0..6) {
            0 => (
                format!(
                    "A {container} holds {each} {items}, and {name} fills {groups} {containers}."
                ),
                in_all,
                items,
                product,
            ),
            1 => (
                format!("Each of the {groups} {items} that {name} likes costs {each} dollars."),
                "How many dollars is that in all?".to_string(),
                "dollars",
                product,
            ),
            2 => (
                format!("On each of {groups} days {name} gets {each} {items}, the same each day."),
                in_all,
                items,
                product,
            ),
            3 => (
                format!(
                    "A friend and others, {groups} friends in all, get to share {product} {items}."
                ),
                share,
                items,
                each,
            ),
            4 => (
                format!(
                    "{name} divides {product} {items} so that {groups} {containers} get the same."
                ),
                share,
                items,
                each,
            ),
            _ => (
                format!("There are {groups} {containers} left with {each} {items} in each."),
                in_all,
                items,
                product,
            ),
        };
        Self {
            text,
            question,
            unit,
            count,
        }
    }
}

/// A scene with its count as a statement.
pub(super) fn story(random: &mut Random) -> Document {
    let Scene {
        text, unit, count, ..
    } = Scene::draw(random);
    let end = pick(random, &["That makes", "The number is", "It comes to"]);
    Document::prose(format!("{text} {end} {count} {unit}."))
}

/// A scene with a question about its count; the answer includes the unit.
pub(super) fn story_question(random: &mut Random) -> Document {
    let Scene {
        text,
        question,
        unit,
        count,
    } = Scene::draw(random);
    Document::asked(
        probe::question(&format!("{text} {question}")),
        format!("{count} {unit}"),
    )
}
