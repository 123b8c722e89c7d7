//! The measurement as tables, and as a page.

use std::fmt::Write;

use anyhow::Result;
use report::page::{empty_table, with_numbers};
use report::record::Manifest;

use super::directions::Family;
use super::measured::{DISAGREEMENT, MeasuredLayer};
use super::rank::{Correlation, Estimate, Pairs, estimate, kendall, spearman};

const LEGEND: &str = "\
The curvature along a direction `D` of norm one is `(L(W + εD) - 2 L(W) + L(W - εD)) / ε²` in nats, where `L` is the mean \
loss of an answer token. Positive correlation: the larger the value, the larger the curvature. `singular`: `D = uᵢ vᵢᵀ` \
of the weight, against its singular value; what a split by the weights assumes. `inputs`: `D = eᵢ wᵀ` with the \
eigenvectors of the second moment of the layer's inputs, against the eigenvalue; the curvature is the mean over the same \
few random output directions `w` for all `i`. `inputs, one output`: the correlation with a single `w`, mean over them, \
as fair to `singular` as can be, which has one output direction each. `singular inputs`: `D = uᵢ wᵀ` with the same `w`, \
against the singular value; beside `inputs` it tells what comes from the input side alone. In brackets: 95 % bootstrap \
interval over directions. Negative curvatures rank below all others.";

const QUALITY: &str = "\
Resolved: larger than four times what the rounding of the loss explains. Of these: negative, and those that differ by \
more than the stated share when the step is halved. The steps are chosen for every direction so that the second \
difference is a thousand times the rounding, but no longer than the weight's root mean square singular value. Sizes are \
medians over all points, in nats.";

const PICTURE: &str = "\
Both relative to the largest one of the layer and set. Hollow: a negative curvature, drawn at its size. Grey: not \
resolved. Values below a trillionth of the largest are left out.";

/// The tables for a terminal.
///
/// # Errors
///
/// If text cannot be formatted.
pub fn terminal(layers: &[MeasuredLayer], seed: u64) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "Spearman's ρ of value and curvature:")?;
    writeln!(text, "{}", correlations(layers, spearman, seed, false))?;
    writeln!(text, "{}", quality(layers, false))?;
    Ok(text)
}

/// `report.md`.
///
/// # Errors
///
/// If text cannot be formatted.
pub fn report(manifest: &Manifest, layers: &[MeasuredLayer], seed: u64) -> Result<String> {
    let mut page = String::new();
    writeln!(page, "# {}\n\n{LEGEND}\n", manifest.title)?;
    for (name, correlation) in [
        ("Spearman's ρ", spearman as Correlation),
        ("Kendall's τ-b", kendall),
    ] {
        writeln!(page, "## {name} of value and curvature\n")?;
        writeln!(page, "{}\n", correlations(layers, correlation, seed, true))?;
    }
    writeln!(
        page,
        "## Picture\n\n![Curvature by value](curvature.svg)\n\n{PICTURE}\n"
    )?;
    writeln!(page, "## How well it was measured\n\n{QUALITY}\n")?;
    writeln!(page, "{}\n", quality(layers, true))?;
    writeln!(
        page,
        "All points are in `LAYER.csv`; what decides them in `settings.json`.\n\n{}",
        manifest.origin()
    )?;
    Ok(page)
}

/// A row for every layer and one for their mean.
fn correlations(
    layers: &[MeasuredLayer],
    correlation: Correlation,
    seed: u64,
    markdown: bool,
) -> String {
    let mut table = empty_table(markdown);
    let [singular, inputs, control] = Family::ALL;
    table.set_header([
        "layer".to_string(),
        "shape".to_string(),
        singular.name().to_string(),
        inputs.name().to_string(),
        format!("{}, one output", inputs.name()),
        control.name().to_string(),
    ]);
    let row = |name: &str, shape: String, of: &[MeasuredLayer]| {
        let cell = |family: Family| {
            let pairs: Vec<Pairs> = of.iter().map(|layer| layer.pairs(family)).collect();
            with_interval(estimate(&pairs, correlation, seed))
        };
        let single = of
            .iter()
            .filter_map(|layer| layer.with_one_output(inputs, correlation));
        let single: Vec<f64> = single.collect();
        let single = match single.is_empty() {
            true => None,
            false => Some(single.iter().sum::<f64>() / single.len() as f64),
        };
        [
            name.to_string(),
            shape,
            cell(singular),
            cell(inputs),
            single.map_or_else(|| "none".to_string(), |mean| format!("{mean:.2}")),
            cell(control),
        ]
    };
    for layer in layers {
        let [d_in, d_out] = layer.shape;
        let own = std::slice::from_ref(layer);
        table.add_row(row(layer.name(), format!("{d_in}x{d_out}"), own));
    }
    table.add_row(row("mean", String::new(), layers));
    with_numbers(table)
}

fn with_interval(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || "none".to_string(),
        |Estimate { mean, interval }| {
            format!("{mean:.2} ({:.2} to {:.2})", interval[0], interval[1])
        },
    )
}

fn quality(layers: &[MeasuredLayer], markdown: bool) -> String {
    let mut table = empty_table(markdown);
    table.set_header([
        "layer".to_string(),
        "points".to_string(),
        "resolved".to_string(),
        "negative".to_string(),
        format!("differ by > {:.0} %", 100.0 * DISAGREEMENT),
        "size of curvature".to_string(),
        "size of slope".to_string(),
    ]);
    for layer in layers {
        let found = layer.quality();
        table.add_row([
            layer.name().to_string(),
            found.points.to_string(),
            found.resolved.to_string(),
            found.negative.to_string(),
            found.disagreeing.to_string(),
            format!("{:.1e}", found.median_curvature),
            format!("{:.1e}", found.median_slope),
        ]);
    }
    with_numbers(table)
}
