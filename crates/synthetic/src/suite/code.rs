//! Task `code`, modelled on Py150: continue a small script with its next line.
//!
//! The lines so far determine the next one. The mixture's scripts do the same in another style (`i
//! = i + 1`, `close(log)`), so this style must be learned.

use rand::RngExt;

use super::Row;
use super::words::{Random, pick, pick_two};

/// Names of lists, each with the name of one entry.
pub(super) const LISTS: [(&str, &str); 10] = [
    ("items", "item"),
    ("names", "name"),
    ("values", "value"),
    ("words", "word"),
    ("lines", "line"),
    ("books", "book"),
    ("scores", "score"),
    ("prices", "price"),
    ("numbers", "number"),
    ("cards", "card"),
];

/// Names of functions.
pub(super) const FUNCTIONS: [&str; 8] = [
    "add", "find", "read", "load", "check", "build", "measure", "start",
];

/// Names of a function's result.
pub(super) const RESULTS: [&str; 8] = [
    "total", "count", "result", "amount", "answer", "output", "best", "final",
];

/// Names of open files.
pub(super) const HANDLES: [&str; 6] = ["log", "file", "page", "source", "report", "letter"];

/// Names of parameters.
pub(super) const PARAMETERS: [&str; 6] = ["left", "right", "width", "height", "price", "size"];

/// Names of counters.
pub(super) const COUNTERS: [&str; 4] = ["i", "j", "k", "n"];

/// Draws the lines so far and the line that must follow.
fn script(random: &mut Random) -> (String, String) {
    let (list, entry) = pick(random, &LISTS);
    let result = pick(random, &RESULTS);
    let function = pick(random, &FUNCTIONS);
    let number = random.random_range(1..=20);
    match random.random_range(0..6) {
        0 => (
            format!(
                "def {function}({list}):\n  {result} = {number}\n  for {entry} in {list}:\n    {result} += {entry}"
            ),
            format!("return {result}"),
        ),
        1 => {
            let handle = pick(random, &HANDLES);
            (
                format!("{handle} = open(\"{list}\")\n{result} = {handle}.read()\nprint({result})"),
                format!("{handle}.close()"),
            )
        }
        2 => {
            let counter = pick(random, &COUNTERS);
            (
                format!("{counter} = 0\nwhile {counter} < {number}:\n  print({list}[{counter}])"),
                format!("{counter} += 1"),
            )
        }
        3 => (
            format!("{result} = []\nfor {entry} in {list}:\n  if {entry} > {number}:"),
            format!("{result}.append({entry})"),
        ),
        4 => (
            format!(
                "{result} = {list}[{number}]\nfor {entry} in {list}:\n  if {entry} > {result}:"
            ),
            format!("{result} = {entry}"),
        ),
        _ => {
            let (one, other) = pick_two(random, &PARAMETERS);
            let sign = pick(random, &["+", "-", "*"]);
            (
                format!(
                    "def {function}({one}, {other}):\n  {result} = {one} {sign} {other}\n  print({result})"
                ),
                format!("return {result}"),
            )
        }
    }
}

/// Draws a row.
pub(super) fn row(random: &mut Random, _index: usize) -> Row {
    let (lines, next) = script(random);
    Row {
        prompt: format!("Complete the code with its next line.\nCode:\n{lines}\nNext line:"),
        answer: next,
    }
}
