//! How the energy of weights and inputs is distributed over their directions.

use std::collections::BTreeMap;

use anyhow::Result;
use osft::{Calibration, ImportanceMeasure, LayerSplit, Osft};

use report::page::{empty_table, with_numbers};
use report::picture::{Curve, CurvesPicture, curves};

/// The importance measures in the table; the calibration must have measured them.
pub const MEASURES: [ImportanceMeasure; 2] =
    [ImportanceMeasure::Cosine, ImportanceMeasure::LinearCka];

/// Points per curve, at equal distances.
const POINTS: usize = 20;

/// Relative error of a sum of energies in f64, with room for thousands of them.
const ROUNDING: f64 = 1e-9;

/// Groups the layers of all blocks by kind, the last part of their path.
fn by_kind(split: &Osft) -> BTreeMap<String, Vec<&LayerSplit>> {
    let mut kinds: BTreeMap<String, Vec<&LayerSplit>> = BTreeMap::new();
    for layer in split.layers() {
        let path = layer.path.strip_suffix(".weight").unwrap_or(&layer.path);
        let kind = path.rsplit('.').next().unwrap_or(path);
        kinds.entry(kind.to_string()).or_default().push(layer);
    }
    kinds
}

/// Whether the layer has energy in directions that are not known: wide inputs are calibrated by a sketch of their largest
/// directions.
pub fn is_sketched(layer: &LayerSplit) -> bool {
    layer.energies.iter().sum::<f64>() < layer.total_energy * (1.0 - ROUNDING)
}

/// Number of all directions of a layer, known or not.
fn directions(layer: &LayerSplit) -> usize {
    match is_sketched(layer) {
        true => layer.shape[0],
        false => layer.energies.len().max(1),
    }
}

/// Share of the energy, in `[0, 1]`, that the largest `share` of the directions contain; `None` if they are not known.
fn energy_share(layer: &LayerSplit, share: f64) -> Option<f64> {
    if layer.total_energy <= 0.0 {
        return Some(0.0);
    }
    let count = (share * directions(layer) as f64).round() as usize;
    if is_sketched(layer) && count > layer.energies.len() {
        return None;
    }
    let sum: f64 = layer.energies.iter().take(count).sum();
    Some((sum / layer.total_energy).min(1.0))
}

/// The smallest share of the directions that contains `energy`, a share in `[0, 1]`, and whether it does: the known ones
/// may contain less.
fn needed(layer: &LayerSplit, energy: f64) -> (f64, bool) {
    let mut sum = 0.0;
    let target_energy = energy * layer.total_energy;
    let count = layer.energies.iter().take_while(|&&value| {
        let more = sum < target_energy;
        sum += value;
        more
    });
    let share = count.count() as f64 / directions(layer) as f64;
    (share, !is_sketched(layer) || sum >= target_energy)
}

fn mean(layers: &[&LayerSplit], figure: impl Fn(&LayerSplit) -> f64) -> f64 {
    layers.iter().map(|layer| figure(layer)).sum::<f64>() / layers.len().max(1) as f64
}

/// A table with one row per kind of layer: the share of the directions, in percent, that contains
/// 90 % and 99 % of the energy (`> 10.5` if the known directions contain less), and the importance relative to the mean over all layers.
///
/// # Errors
///
/// If the calibration did not measure one of the [`MEASURES`].
pub fn table(weights: &Osft, inputs: &Osft, calibration: &Calibration) -> Result<String> {
    let mut table = empty_table(false);
    table.set_header([
        "layer",
        "weights 90 %",
        "weights 99 %",
        "inputs 90 %",
        "inputs 99 %",
        "importance, cosine",
        "importance, CKA",
    ]);
    let [cosine, cka] = MEASURES.map(|measure| calibration.importance(measure));
    let importance = [cosine?, cka?];
    let (weights, inputs) = (by_kind(weights), by_kind(inputs));
    for (kind, layers) in &weights {
        let share = |layers: &[&LayerSplit], energy: f64| {
            let contained = layers.iter().all(|layer| needed(layer, energy).1);
            let more = if contained { "" } else { "> " };
            let share = mean(layers, |layer| needed(layer, energy).0);
            format!("{more}{:.1}", 100.0 * share)
        };
        let input_layers = inputs.get(kind).map_or(&[][..], Vec::as_slice);
        table.add_row([
            kind.clone(),
            share(layers, 0.9),
            share(layers, 0.99),
            share(input_layers, 0.9),
            share(input_layers, 0.99),
            relative(&importance[0], layers),
            relative(&importance[1], layers),
        ]);
    }
    Ok(with_numbers(table))
}

fn relative(importance: &Option<Vec<(&str, f64)>>, layers: &[&LayerSplit]) -> String {
    let Some(all) = importance else {
        return "degenerate".to_string();
    };
    let importance_of = |layer: &LayerSplit| all.iter().find(|(path, _)| *path == layer.path);
    format!(
        "{:.2}",
        mean(layers, |layer| importance_of(layer)
            .map_or(0.0, |(_, value)| *value))
    )
}

/// A picture of the energy against the share of the largest directions, one curve per kind of
/// layer.
pub fn picture(what: &str, split: &Osft) -> Result<String> {
    let kinds = by_kind(split);
    let lines: Vec<Curve<'_>> = kinds
        .iter()
        .map(|(kind, layers)| Curve {
            label: kind,
            points: (0..=POINTS)
                .map(|point| point as f64 / POINTS as f64)
                .filter_map(|share| {
                    let known = layers.iter().map(|layer| energy_share(layer, share));
                    let known: Vec<f64> = known.collect::<Option<_>>()?;
                    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
                    Some((100.0 * share, 100.0 * mean))
                })
                .collect(),
            spread: Vec::new(),
        })
        .collect();
    curves(&CurvesPicture {
        title: &format!("Energy held by the {what}' largest directions, mean over blocks"),
        x_label: "share of the directions, %",
        y_label: "share of the energy, %",
        x_ticks: &[],
        y_range: (0.0, 100.0),
        curves: &lines,
    })
}
