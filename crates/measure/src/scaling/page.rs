//! The growth of time and memory, as tables and a picture per axis.

use std::fmt::Write;

use anyhow::Result;

use super::axis::{Axis, Series};
use super::power::power;
use report::page::{empty_table, with_numbers};
use report::picture::{Curve, CurvesPicture, curves};

use crate::bench::{Row, median, median_ratio};

/// The explanation of the tables.
pub const LEGEND: &str = "\
Each row is one variant of `experiments bench` with everything but one thing kept; medians over the rounds. \
Exponent: `p` of `y = c xᵖ`, by least squares in logarithms, with its standard error; where a cost has a \
part that does not grow, the fitted exponent lies below that of the part that does. ×plain: median over the \
rounds of the ratio to plain fine-tuning of the same tensors in the same round. Counted: multiplications in \
the targets against plain's. Setup: the split, and what is attached. Memory: the most that was resident \
while training; what making the splits left in the heap is part of it but where splits were found \
(`--split-cache`). Weights and tokens are random.";

/// A quantity that was measured at every position.
struct Quantity {
    name: &'static str,
    of: fn(&Row, &Row) -> Option<f64>,
    digits: usize,
    /// Whether it is a cost, which may follow a power law, and not a ratio.
    is_cost: bool,
}

const STEP: Quantity = Quantity {
    name: "step, ms",
    of: |row, _| Some(1e3 * median(&row.step_seconds)),
    digits: 0,
    is_cost: true,
};

const STEP_RATIO: Quantity = Quantity {
    name: "step, ×plain",
    of: |row, plain| (!std::ptr::eq(row, plain)).then(|| median_ratio(row, plain)),
    digits: 2,
    is_cost: false,
};

const QUANTITIES: [Quantity; 6] = [
    STEP,
    Quantity {
        name: "setup, s",
        of: |row, _| Some(row.ready.setup_seconds).filter(|_| row.spec.share.is_some()),
        digits: 2,
        is_cost: true,
    },
    Quantity {
        name: "memory, MiB",
        of: |row, _| row.mebibytes,
        digits: 0,
        is_cost: true,
    },
    STEP_RATIO,
    Quantity {
        name: "counted, ×plain",
        of: |row, plain| {
            let counted = row.ready.multiplications.zip(plain.ready.multiplications);
            let (own, plain) = counted.filter(|_| !std::ptr::eq(row, plain))?;
            Some(own as f64 / plain as f64)
        },
        digits: 2,
        is_cost: false,
    },
    Quantity {
        name: "memory, ×plain",
        of: |row, plain| {
            let memory = row.mebibytes.zip(plain.mebibytes);
            let (own, plain) = memory.filter(|_| !std::ptr::eq(row, plain))?;
            Some(own / plain)
        },
        digits: 2,
        is_cost: false,
    },
];

/// One table per quantity that was measured along the axis.
///
/// # Errors
///
/// Only if writing to the string fails.
pub fn section(axis: Axis, series: &[Series<'_>], markdown: bool) -> Result<String> {
    let mut text = String::new();
    for quantity in &QUANTITIES {
        if let Some(table) = table(axis, series, quantity, markdown) {
            writeln!(text, "{} by {}:\n\n{table}\n", quantity.name, axis.name())?;
        }
    }
    Ok(text)
}

fn table(axis: Axis, series: &[Series<'_>], quantity: &Quantity, markdown: bool) -> Option<String> {
    let measured: Vec<(&str, Vec<(f64, f64)>)> = series
        .iter()
        .map(|series| (series.label.as_str(), values(series, quantity)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let mut places: Vec<f64> = measured
        .iter()
        .flat_map(|(_, points)| points.iter().map(|(x, _)| *x))
        .collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    if places.is_empty() {
        return None;
    }
    let fitted = quantity.is_cost && axis != Axis::Share;
    let mut table = empty_table(markdown);
    let mut header = vec![quantity.name.to_string()];
    header.extend(places.iter().map(|place| format!("{place}")));
    header.extend(fitted.then(|| "exponent".to_string()));
    table.set_header(header);
    for (label, points) in &measured {
        let mut cells = vec![label.to_string()];
        cells.extend(places.iter().map(|place| {
            let point = points.iter().find(|(x, _)| x == place);
            point.map_or("–".to_string(), |(_, y)| {
                format!("{y:.*}", quantity.digits)
            })
        }));
        if fitted {
            cells.push(power(points).map_or("–".to_string(), |fit| {
                format!("{:.2} ± {:.2}", fit.exponent, fit.error)
            }));
        }
        table.add_row(cells);
    }
    Some(with_numbers(table))
}

fn values(series: &Series<'_>, quantity: &Quantity) -> Vec<(f64, f64)> {
    let points = series.points.iter();
    points
        .filter_map(|&(place, row, plain)| Some((place, (quantity.of)(row, plain)?)))
        .collect()
}

/// A picture of the step times along an axis. Both axes are logarithms of base 2, so that a power
/// law is a straight line; along the share, it shows ratios to plain fine-tuning.
///
/// # Errors
///
/// If it cannot be drawn.
pub fn picture(axis: Axis, series: &[Series<'_>]) -> Result<String> {
    let quantity = match axis {
        Axis::Share => &STEP_RATIO,
        _ => &STEP,
    };
    let drawn: Vec<(&str, Vec<(f64, f64)>)> = series
        .iter()
        .map(|series| {
            let points = values(series, quantity).into_iter();
            let points = points.map(|(x, y)| match axis {
                Axis::Share => (10.0 * x, y),
                _ => (x.log2(), y.log2()),
            });
            (series.label.as_str(), points.collect::<Vec<_>>())
        })
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let lowest = |of: fn(&(f64, f64)) -> f64| {
        let points = drawn.iter().flat_map(|(_, points)| points.iter().map(of));
        points.fold(f64::INFINITY, f64::min)
    };
    let (left, bottom) = match axis {
        Axis::Share => (0.0, 0.0),
        _ => (lowest(|point| point.0), lowest(|point| point.1).floor()),
    };
    let curves_drawn: Vec<Curve<'_>> = drawn
        .iter()
        .map(|(label, points)| Curve {
            label,
            points: points.iter().map(|(x, y)| (x - left, *y)).collect(),
            spread: Vec::new(),
        })
        .collect();
    let last = curves_drawn
        .iter()
        .flat_map(|curve| curve.points.iter().map(|(x, _)| *x))
        .fold(0.0, f64::max);
    let ticks: Vec<String> = (0..=last.round() as i32)
        .map(|step| match axis {
            Axis::Share => format!("{:.1}", f64::from(step) / 10.0),
            _ => format!("{:.0}", (left + f64::from(step)).exp2()),
        })
        .collect();
    let (title, y_label) = match axis {
        Axis::Share => ("Step time by protected share", "× plain fine-tuning"),
        Axis::Width => ("Step time by width", "log₂ of ms"),
        Axis::Tokens => ("Step time by tokens", "log₂ of ms"),
        Axis::Tasks => ("Step time by number of tasks", "log₂ of ms"),
    };
    curves(&CurvesPicture {
        title,
        x_label: axis.name(),
        y_label,
        x_ticks: &ticks,
        y_range: (bottom, bottom + 1.0),
        curves: &curves_drawn,
    })
}
