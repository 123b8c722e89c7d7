//! Many curves, each in a panel of its own with all others faint behind it: where one pair of axes would hide them.

use std::ops::Range;

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::curves::{Curve, CurvesPicture, axes, finite};
use super::style::{
    Area, DIM, FAINT, FONT, INK, SERIES, drawing, fitted, fitted_in_the_middle, font, write,
};

const COLUMNS: usize = 4;
const PANEL: (i32, i32) = (250, 200);
const HEADER: i32 = 60;
const MARGIN: i32 = 14;
const TICK: f64 = 10.0;

/// Draws the picture as an SVG document: one panel per curve, all over the same axes.
///
/// # Errors
///
/// As [`curves`](super::curves()).
pub fn panels(picture: &CurvesPicture<'_>) -> Result<String> {
    let (x_axis, y_axis) = axes(picture)?;
    let shown: Vec<usize> = (0..picture.curves.len())
        .filter(|&index| finite(&picture.curves[index]).next().is_some())
        .collect();
    let columns = shown.len().min(COLUMNS);
    let rows = shown.len().div_ceil(columns);
    ensure!(
        rows <= 100,
        "{} panels do not fit into a picture",
        shown.len()
    );
    let width = columns as i32 * PANEL.0 + 2 * MARGIN;
    let height = HEADER + rows as i32 * PANEL.1 + MARGIN;
    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (width as u32, height as u32));
        let area = backend.into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        let title = fitted(picture.title, 16.0, width - 2 * MARGIN);
        write(&area, &title, (MARGIN, 22), font(16.0, INK), HPos::Left)?;
        let axes = format!("up: {} · right: {}", picture.y_label, picture.x_label);
        let axes = fitted(&axes, 12.0, width - 2 * MARGIN);
        write(&area, &axes, (MARGIN, 44), font(12.0, INK), HPos::Left)?;
        let (_, below) = area.split_vertically(HEADER);
        let (below, _) = below.split_vertically(rows as i32 * PANEL.1);
        let places = below
            .margin(0, 0, MARGIN, MARGIN)
            .split_evenly((rows, columns));
        for (index, place) in shown.iter().zip(&places) {
            panel(place, picture.curves, *index, (&x_axis, &y_axis))?;
        }
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// One panel: its curve in colour, the others behind it.
fn panel(
    area: &Area<'_>,
    curves: &[Curve<'_>],
    index: usize,
    (x_axis, y_axis): (&Range<f64>, &Range<f64>),
) -> Result<()> {
    let label = fitted_in_the_middle(curves[index].label, 12.0, PANEL.0 - 12);
    write(area, &label, (6, 12), font(12.0, INK), HPos::Left)?;
    let pad = 0.03 * (x_axis.end - x_axis.start);
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_top(24)
        .margin_right(12)
        .x_label_area_size(18)
        .y_label_area_size(30)
        .build_cartesian_2d(x_axis.start - pad..x_axis.end + pad, y_axis.clone())
        .map_err(drawing)?;
    let decimals = |axis: &Range<f64>| usize::from(axis.end - axis.start < 10.0);
    let (x_decimals, y_decimals) = (decimals(x_axis), decimals(y_axis));
    chart
        .configure_mesh()
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&|x| format!("{x:.x_decimals$}"))
        .y_label_formatter(&|y| format!("{y:.y_decimals$}"))
        .max_light_lines(0)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style((FONT, TICK).into_font().color(&INK))
        .draw()
        .map_err(drawing)?;
    let points = |curve: usize| finite(&curves[curve]).map(|(point, _)| point);
    for other in (0..curves.len()).filter(|other| *other != index) {
        let line = LineSeries::new(points(other), DIM.mix(0.35).stroke_width(1));
        chart.draw_series(line).map_err(drawing)?;
    }
    let color = SERIES[0];
    let line = LineSeries::new(points(index), color.stroke_width(2));
    chart.draw_series(line).map_err(drawing)?;
    let marks = points(index).map(|point| Circle::new(point, 3, color.filled()));
    chart.draw_series(marks).map_err(drawing)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn drawn(labels: &[String]) -> Result<String> {
        let curves: Vec<Curve<'_>> = labels
            .iter()
            .enumerate()
            .map(|(index, label)| Curve {
                label,
                points: vec![(index as f64, 10.0), (50.0, f64::NAN), (90.0, 80.0)],
                spread: Vec::new(),
            })
            .collect();
        panels(&CurvesPicture {
            title: "title",
            x_label: "learning",
            y_label: "kept",
            x_ticks: &[],
            y_range: (0.0, 100.0),
            curves: &curves,
        })
    }

    #[test]
    fn every_curve_has_a_panel_with_its_name_and_its_points() {
        let labels: Vec<String> = (0..25).map(|index| format!("method-{index}")).collect();
        let svg = drawn(&labels).unwrap();
        for label in &labels {
            let name = format!("\n{label}\n");
            assert_eq!(svg.matches(&name).count(), 1, "{label}");
        }
        // Two finite points each, marked in their own panel only.
        assert_eq!(svg.matches("<circle").count(), 2 * labels.len());
        assert!(svg.contains("up: kept · right: learning") && !svg.contains("NaN"));
    }

    #[test]
    fn no_curve_is_an_error() {
        let error = drawn(&[]).unwrap_err();
        assert!(error.to_string().contains("no curve to draw"), "{error}");
    }
}
