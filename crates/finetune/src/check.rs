//! `osft check`: what is in a file of rows, before anything is learned from it.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use anyhow::Result;
use lm::{Example, HfFolder};
use rows::check::{Pair, flaws, shared};
use runs::settings::RunConfig;

use crate::remarks::{asked_raw, remarks, unread};
use crate::settings;
use crate::task::{TaskReader, read};

/// Width of the longest bar of the histogram.
const BAR: usize = 40;
/// Pairs of rows that are named before the rest is counted.
const NAMED: usize = 5;
/// Colours of tokens that count in the loss and of those that do not.
const LEARNED: &str = "\x1b[32m";
const READ: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Reads and encodes the rows of a configuration, and prints what is in them.
///
/// # Errors
///
/// If a file or row cannot be used.
pub fn run(folder: &HfFolder, config: &RunConfig) -> Result<()> {
    let own = settings::rows(config)?;
    let reader = TaskReader::open(folder, config)?;
    let (set, valid) = read(own)?;
    let encoder = reader.encoder(&set.rows)?;
    let encoded = encoder.rows(&set.rows)?;
    let held_out = reader.encoder(&valid)?.rows(&valid)?;
    let learned = |rows: &[rows::Encoded]| -> usize {
        let examples = rows.iter().flat_map(|row| &row.examples);
        examples.map(|example| example.counted().count()).sum()
    };
    let tokens = |rows: &[rows::Encoded]| rows.iter().map(|row| row.tokens).sum::<usize>();
    println!(
        "{} rows with {}: {} tokens, {} of them learned",
        set.rows.len(),
        set.format.name(),
        tokens(&encoded),
        learned(&encoded)
    );
    let used: usize = set.rows.iter().map(|row| row.repeats).sum();
    if used != set.rows.len() {
        println!("with their weights, an epoch has {used} rows");
    }
    if !valid.is_empty() {
        println!(
            "{} rows held out: {} tokens",
            valid.len(),
            tokens(&held_out)
        );
    }
    println!(
        "\nlength in tokens\n{}",
        histogram(encoded.iter().map(|row| row.tokens))
    );
    for line in remarks(&encoded, config.max_length, "training")
        .iter()
        .chain(&remarks(&held_out, config.max_length, "held-out"))
        .chain(&unread(&set))
        .chain(&reader.unusable_template())
    {
        println!("warning: {line}");
    }
    if let Some(line) = asked_raw(&set, encoder.template.is_some()) {
        println!("note: {line}");
    }
    let found = flaws(&set.rows);
    report("rows stand twice", &found.repeated);
    report(
        "rows have the prompt of an earlier row and another answer",
        &found.contradictory,
    );
    report(
        "rows have a prompt that is held out too",
        &shared(&set.rows, &valid),
    );
    if let Some(example) = encoded.iter().find_map(|row| row.examples.first()) {
        println!("\nthe first row as the model reads it; what it learns is marked:\n");
        println!("{}", shown(folder, example)?);
    }
    Ok(())
}

/// Names the first pairs and counts them.
fn report(what: &str, pairs: &[Pair]) {
    if pairs.is_empty() {
        return;
    }
    println!("warning: {} {what}:", pairs.len());
    for pair in pairs.iter().take(NAMED) {
        println!("  {} (see {})", pair.row, pair.other);
    }
    if pairs.len() > NAMED {
        println!("  … and {} more", pairs.len() - NAMED);
    }
}

/// Counts of lengths in ranges that double.
fn histogram(lengths: impl Iterator<Item = usize>) -> String {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for length in lengths {
        *counts.entry(length.max(1).next_power_of_two()).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(1);
    let lines = counts.iter().map(|(up_to, count)| {
        let bar = "█".repeat((count * BAR).div_ceil(most));
        format!("{:>7} – {up_to:<7} {count:>8}  {bar}", up_to / 2 + 1)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The text of an example; what is learned is green on a terminal, and stands in marks elsewhere.
fn shown(folder: &HfFolder, example: &Example) -> Result<String> {
    let tokenizer = folder.tokenizer()?;
    let [learned, read, end] = match std::io::stdout().is_terminal() {
        true => [LEARNED, READ, PLAIN],
        false => ["⟦", "", ""],
    };
    let mut counts = vec![false; example.len()];
    for (position, _) in example.counted() {
        counts[example.prompt.len() + position] = true;
    }
    let ids = [example.prompt.as_slice(), &example.answer].concat();
    let mut text = String::new();
    let mut start = 0;
    while start < ids.len() {
        let is_learned = counts[start];
        let length = counts[start..]
            .iter()
            .take_while(|&&c| c == is_learned)
            .count();
        let part = tokenizer.decode(&ids[start..start + length], false)?;
        let close = match (is_learned, end) {
            (true, "") => "⟧",
            _ => end,
        };
        let open = if is_learned { learned } else { read };
        text.push_str(&format!("{open}{}{close}", visible(&part)));
        start += length;
    }
    Ok(text)
}

/// A text whose control characters are written out: they would steer the terminal.
fn visible(text: &str) -> String {
    let shown = text.chars().map(|c| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) => {
            c.escape_unicode().to_string()
        }
        c => c.to_string(),
    });
    shown.collect()
}
