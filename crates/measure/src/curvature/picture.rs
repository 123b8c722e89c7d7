//! The points of all layers as a picture.

use std::collections::BTreeMap;

use anyhow::Result;
use report::picture::{Mark, ScatterPanel, ScatterPicture, ScatterPoint, ScatterSeries, scatter};

use super::directions::Family;
use super::measured::MeasuredLayer;

/// Smallest value that is drawn, relative to the largest: eigenvalues below are rounding.
const SMALLEST: f64 = 1e-12;

/// Sizes of curvatures against singular values on the left, against eigenvalues on the right.
///
/// # Errors
///
/// If no point can be drawn.
pub fn of(layers: &[MeasuredLayer]) -> Result<String> {
    let panel = |family: Family, title: &'static str, x_label: &'static str| ScatterPanel {
        title,
        x_label,
        series: series(layers, family),
    };
    scatter(&ScatterPicture {
        y_label: "size of the curvature, relative to the largest",
        panels: &[
            panel(
                Family::Singular,
                "singular directions",
                "singular value, relative to the largest",
            ),
            panel(
                Family::Inputs,
                "eigen-directions of the inputs",
                "eigenvalue, relative to the largest",
            ),
        ],
    })
}

/// One series for each kind of layer.
fn series(layers: &[MeasuredLayer], family: Family) -> Vec<ScatterSeries> {
    let mut kinds: BTreeMap<&str, Vec<ScatterPoint>> = BTreeMap::new();
    for layer in layers {
        // Also where the set has no point: both panels have the same series, and so the same colours.
        let points = kinds.entry(layer.kind()).or_default();
        let of = || layer.points.iter().filter(|point| point.family == family);
        let largest = of().map(|point| point.value).fold(0.0, f64::max);
        let sizes = of().map(|point| point.curvature.abs());
        let largest_size = sizes.fold(0.0, f64::max);
        if largest == 0.0 || largest_size == 0.0 {
            continue;
        }
        let drawn = of().filter(|point| point.value > SMALLEST * largest && point.curvature != 0.0);
        points.extend(drawn.map(|point| ScatterPoint {
            x: point.value / largest,
            y: point.curvature.abs() / largest_size,
            mark: match point.measured().is_resolved() {
                false => Mark::Faint,
                true if point.curvature < 0.0 => Mark::Hollow,
                true => Mark::Filled,
            },
        }));
    }
    let series = kinds.into_iter();
    series
        .map(|(kind, points)| ScatterSeries {
            label: kind.to_string(),
            points,
        })
        .collect()
}
