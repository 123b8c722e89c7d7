//! Every number of README and `docs` stands in a file under `results` that its section names, to the digits
//! that are shown.

use std::collections::BTreeSet;

use integration_tests::repository;
use regex::Regex;

use super::pages::{code_and_text, links, local, pages, read};

/// Numbers that are no measurements, with the page that says them.
const GIVEN: &[(&str, &str)] = &[
    ("README.md", "arXiv 2504.07097"),
    ("README.md", "ICLR 2026"),
    ("README.md", "Rust 1.95"),
    ("README.md", "from 0 to 100"),
    ("crates/osft/README.md", "arXiv 2504.07097"),
    ("crates/osft/README.md", "ICLR 2026"),
    ("crates/osft/README.md", "equation 4"),
    ("docs/backends.md", "DirectX 12"),
    // Defaults of options, which their help says too.
    ("docs/finetune.md", "is not -100"),
    ("docs/finetune.md", "(0.05 by default)"),
    ("docs/finetune.md", "energy | 0.95 |"),
    ("docs/finetune.md", "| 3, 16, 0 |"),
    ("docs/finetune.md", "| 1024 |"),
    ("docs/finetune.md", "| 2048 |"),
    ("docs/finetune.md", "version (1)"),
    ("docs/methods.md", "equation 4"),
    // Compared with the constants of the tests, in `tables`.
    ("docs/methods.md", "after 200 steps"),
];

/// Tables of bounds, which tests hold; the measured ones among them are compared in `tables`.
const BOUNDS: (&str, &str) = ("docs/methods.md", "## What agrees with what");

const NUMBER: &str = r"-?\d+(\.\d+)?(e-?\d+)?";

/// A number as it is written, and how far its last digit reaches.
struct Shown {
    text: String,
    value: f64,
    half_digit: f64,
}

/// The numbers of a text, without names such as `T5` and powers such as 10⁻⁶, which other tests compare.
fn numbers(text: &str) -> Vec<Shown> {
    let number = Regex::new(NUMBER).unwrap();
    let mut found = Vec::new();
    for place in number.find_iter(text) {
        let before = text[..place.start()].chars().next_back();
        let after = text[place.end()..].chars().next();
        let joins = |c: char| c.is_alphanumeric() || "_·".contains(c) || "⁰¹²³⁴⁵⁶⁷⁸⁹⁻".contains(c);
        if before.is_some_and(|c| joins(c) || c == '-' || c == '.') || after.is_some_and(joins) {
            continue;
        }
        // `AVX-512` and `5-task` are names.
        let of_a_name =
            after == Some('-') && text[place.end() + 1..].starts_with(|c: char| c.is_alphabetic());
        if of_a_name {
            continue;
        }
        let shown = place.as_str();
        let decimals = shown.split(['e', 'E']).next().unwrap();
        let decimals = decimals
            .split_once('.')
            .map_or(0, |(_, digits)| digits.len());
        let exponent: i32 = shown.split_once('e').map_or(0, |(_, e)| e.parse().unwrap());
        found.push(Shown {
            text: shown.to_string(),
            value: shown.parse().unwrap(),
            half_digit: 0.5 * 10f64.powi(exponent - decimals as i32),
        });
    }
    found
}

/// All numbers of a file.
fn values(path: &str) -> Vec<f64> {
    let number = Regex::new(NUMBER).unwrap();
    let text = read(path);
    number
        .find_iter(&text)
        .map(|m| m.as_str().parse().unwrap())
        .collect()
}

/// Whether a number is one of those, rounded to its digits.
fn stands_in(shown: &Shown, values: &[f64]) -> bool {
    let near = |value: f64| (value - shown.value).abs() <= shown.half_digit * 1.000_001;
    values.iter().any(|&value| near(value))
}

/// All numbers of the files under `results` that a text links.
fn linked_values(page: &str, text: &str) -> Vec<f64> {
    let found = links(text)
        .into_iter()
        .filter_map(|link| local(page, &link));
    let found = found.filter(|path| path.starts_with("results/"));
    found
        .filter(|path| repository().join(path).is_file() && !path.ends_with(".svg"))
        .flat_map(|path| values(&path))
        .collect()
}

/// A page's text in sections, each with its heading, without code and link targets, and the numbers of the files
/// that it links.
fn sections(page: &str) -> Vec<(String, Vec<f64>)> {
    let (_, text) = code_and_text(&read(page));
    let mut sections: Vec<String> = vec![String::new()];
    for line in text {
        if line.starts_with("## ") {
            sections.push(String::new());
        }
        let section = sections.last_mut().unwrap();
        let item = line.trim_start_matches(|c: char| c.is_ascii_digit());
        section.push_str(item.strip_prefix(". ").unwrap_or(&line));
        section.push('\n');
    }
    let read = |section: String| (bare(&section), linked_values(page, &section));
    sections.into_iter().map(read).collect()
}

/// A text without code and link targets: a legend may name variants in code, a table's own cells never are.
fn bare(text: &str) -> String {
    let target = Regex::new(r"\]\([^)]*\)").unwrap();
    let code = Regex::new(r"`[^`]*`").unwrap();
    code.replace_all(&target.replace_all(text, "]"), "")
        .into_owned()
}

#[test]
fn numbers_come_from_results() {
    let mut compared = 0;
    let mut unused: BTreeSet<(&str, &str)> = GIVEN.iter().copied().collect();
    let mut wrong = Vec::new();
    for page in pages() {
        let is_checked =
            page == "README.md" || page == "crates/osft/README.md" || page.starts_with("docs/");
        if !is_checked {
            continue;
        }
        for (mut text, values) in sections(&page) {
            for &(given_page, words) in GIVEN {
                if given_page == page && text.contains(words) {
                    text = text.replace(words, "");
                    unused.remove(&(given_page, words));
                }
            }
            let heading = text.lines().next().unwrap_or_default().to_string();
            if (page.as_str(), heading.as_str()) == BOUNDS {
                continue;
            }
            for shown in numbers(&text) {
                match stands_in(&shown, &values) {
                    true => compared += 1,
                    false => wrong.push(format!("{page}, {heading:?}: {}", shown.text)),
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "in no file that the section links:\n{}",
        wrong.join("\n")
    );
    assert!(unused.is_empty(), "no longer said: {unused:?}");
    assert!(compared > 300, "{compared}");
}

#[test]
fn evidence_of_every_claim_stands_in_its_file() {
    let page = "REPRODUCIBILITY.md";
    let mut compared = 0;
    let mut wrong = Vec::new();
    for line in read(page).lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [claim, .., evidence] = cells.as_slice() else {
            continue;
        };
        let values = linked_values(page, evidence);
        if values.is_empty() {
            continue;
        }
        for shown in numbers(&bare(evidence)) {
            match stands_in(&shown, &values) {
                true => compared += 1,
                false => wrong.push(format!("{claim}: {}", shown.text)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 60, "{compared}");
}

#[test]
fn a_number_must_stand_in_the_file_to_its_digits() {
    let shown = numbers("T5 learns 88 % (-34.1, 6e-7) in 5-task orders, AVX-512, 5·10⁻⁶, 0.89");
    let texts: Vec<&str> = shown.iter().map(|shown| shown.text.as_str()).collect();
    assert_eq!(texts, ["88", "-34.1", "6e-7", "0.89"]);
    assert!(stands_in(&shown[0], &[88.5]) && stands_in(&shown[0], &[87.5]));
    assert!(!stands_in(&shown[0], &[88.6]) && !stands_in(&shown[1], &[34.2]));
    assert!(stands_in(&shown[2], &[6e-7]) && !stands_in(&shown[2], &[7e-7]));
}
