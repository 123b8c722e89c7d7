//! What OSFT's report says about the rows that inputs were measured on.

use std::fmt::Write;

use crate::calibration::SampleCheck;
use crate::method::{Combine, Figure, Notation, ShownTask, TaskDiagnostics, TextTable};

/// Adds the sources so far, of which the last `new` were measured in this task.
pub(super) fn add(diagnostics: &mut TaskDiagnostics, sources: &[SampleCheck], new: usize) {
    let latest = &sources[sources.len().saturating_sub(new)..];
    let largest = |values: &mut dyn Iterator<Item = f64>| values.reduce(f64::max);
    let mean = largest(&mut latest.iter().filter_map(|check| Some(check.mean()?.1)));
    let worst = latest
        .iter()
        .filter_map(|check| Some(check.worst()?.held_out));
    let worst = largest(&mut worst.into_iter());
    let figure = |name: &str, meaning: &str, share: f64| Figure {
        name: name.to_string(),
        meaning: meaning.to_string(),
        value: 100.0 * share,
        notation: Notation::Fixed(2),
        combine: Combine::Largest,
    };
    diagnostics.figures.extend(mean.map(|share| {
        figure(
            "held out",
            "the energy, in percent, that held-out rows have in free directions which were chosen from as many \
             other rows: the mean over layers, the largest of base model and tasks",
            share,
        )
    }));
    diagnostics.figures.extend(worst.map(|share| {
        figure(
            "held out, worst",
            "as `held out`, of the layer with the most",
            share,
        )
    }));
    let warnings = latest.iter().filter_map(SampleCheck::warning);
    diagnostics.warnings.extend(warnings);
    if !sources.is_empty() {
        diagnostics.tables.push(TextTable {
            title: "Samples".to_string(),
            text: table(sources),
            shown: ShownTask::Last,
        });
    }
}

/// One line per source: its size, and the energy in free directions in percent.
fn table(sources: &[SampleCheck]) -> String {
    let width = sources.iter().map(|check| check.source.chars().count());
    let width = width.max().unwrap_or(0).max(6);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Energy in directions that a split from half of the rows leaves free, in percent: of these rows, and of the \
         other half.\n"
    );
    let _ = writeln!(
        text,
        "{:width$}  {:>7}  {:>9}  {:>10}  {:>10}  {:>10}  worst layer",
        "source", "rows", "tokens", "in sample", "held out", "worst"
    );
    for check in sources {
        let _ = write!(
            text,
            "{:width$}  {:>7}  {:>9}",
            check.source, check.rows, check.tokens
        );
        let _ = match (check.mean(), check.worst()) {
            (Some((in_sample, held_out)), Some(worst)) => writeln!(
                text,
                "  {:>10.2}  {:>10.2}  {:>10.2}  {}",
                100.0 * in_sample,
                100.0 * held_out,
                100.0 * worst.held_out,
                worst.path
            ),
            _ => writeln!(text, "  {:>10}  {:>10}  {:>10}", "–", "–", "–"),
        };
    }
    text
}
