//! Curves of scores along a sequence.

use std::ops::Range;

use anyhow::{Result, ensure};
use plotters::chart::ChartContext;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::style::{Area, FAINT, FONT, INK, SERIES, drawing, fitted, font, text_width, write};

/// One curve.
pub struct Curve<'a> {
    /// Its name in the legend.
    pub label: &'a str,
    /// Its points in the order of x; points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Half the height of the band at each point; empty for no band.
    pub spread: Vec<f64>,
}

/// A picture of curves over one pair of axes.
pub struct CurvesPicture<'a> {
    /// Title of the picture.
    pub title: &'a str,
    /// Label of the x axis.
    pub x_label: &'a str,
    /// Label of the y axis.
    pub y_label: &'a str,
    /// Labels at x = 0, 1, 2, …; empty for numbers.
    pub x_ticks: &'a [String],
    /// Ends of the y axis; it extends to points beyond them.
    pub y_range: (f64, f64),
    /// The curves.
    pub curves: &'a [Curve<'a>],
}

const PLOT_HEIGHT: i32 = 400;
const MARGIN: i32 = 14;
const Y_LABELS: i32 = 50;
const TICK: f64 = 11.0;
const ENTRY: f64 = 12.0;
const ENTRY_HEIGHT: i32 = 22;
const SAMPLE: i32 = 34;

/// Draws the picture as an SVG document.
///
/// # Errors
///
/// If no curve has a finite point, a band does not have one value per point, or the ends of the y
/// axis are not finite and ascending.
pub fn curves(picture: &CurvesPicture<'_>) -> Result<String> {
    let (x_axis, y_axis) = axes(picture)?;
    let ticks = ticks(picture.x_ticks, x_axis.end);
    let slot = if ticks.len() > 8 { 60 } else { 84 };
    let left = MARGIN + Y_LABELS;
    let width = (slot * ticks.len() as i32).max(text_width(picture.title, 16.0));
    let width = left + width.max(480) + 2 * MARGIN;
    let places = legend_places(picture.curves, width - left - MARGIN);
    let rows = places.last().map_or(0, |place| place.1 + 1);
    let height = PLOT_HEIGHT + rows * ENTRY_HEIGHT + MARGIN;

    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (width as u32, height as u32));
        let area = backend.into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        write(
            &area,
            picture.title,
            (left, 22),
            font(16.0, INK),
            HPos::Left,
        )?;
        let (plot, _) = area.split_vertically(PLOT_HEIGHT);
        let pad = 0.03 * (x_axis.end - x_axis.start);
        let mut chart = ChartBuilder::on(&plot)
            .margin(MARGIN)
            .margin_top(40)
            .margin_right(2 * MARGIN)
            .x_label_area_size(60)
            .y_label_area_size(Y_LABELS)
            .build_cartesian_2d(x_axis.start - pad..x_axis.end + pad, y_axis.clone())
            .map_err(drawing)?;
        let fine = y_axis.end - y_axis.start < 10.0;
        chart
            .configure_mesh()
            .x_desc(picture.x_label)
            .y_desc(picture.y_label)
            .x_labels(0)
            .y_label_formatter(&|y| format!("{y:.*}", if fine { 2 } else { 0 }))
            .y_max_light_lines(0)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .label_style((FONT, TICK).into_font().color(&INK))
            .axis_desc_style((FONT, ENTRY).into_font().color(&INK))
            .draw()
            .map_err(drawing)?;
        draw_ticks(&area, &mut chart, &ticks, &y_axis)?;
        for (index, curve) in picture.curves.iter().enumerate() {
            draw_band(&mut chart, curve, index, &y_axis)?;
        }
        for (index, curve) in picture.curves.iter().enumerate() {
            let color = SERIES[index % SERIES.len()];
            let line =
                LineSeries::new(finite(curve).map(|(point, _)| point), color.stroke_width(2));
            chart.draw_series(line).map_err(drawing)?;
            for (point, _) in finite(curve) {
                draw_marker(&area, index, chart.backend_coord(&point))?;
            }
        }
        for (index, (curve, (x, row))) in picture.curves.iter().zip(places).enumerate() {
            let y = PLOT_HEIGHT + row * ENTRY_HEIGHT + ENTRY_HEIGHT / 2;
            draw_entry(&area, index, curve.label, (left + x, y))?;
        }
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// The finite points and the half-width of the band at each.
pub(super) fn finite<'a>(curve: &'a Curve<'_>) -> impl Iterator<Item = ((f64, f64), f64)> + 'a {
    let spread = curve.spread.iter().copied().chain(std::iter::repeat(0.0));
    let points = curve.points.iter().copied().zip(spread);
    points
        .filter(|((x, y), _)| x.is_finite() && y.is_finite())
        .map(|(point, half)| (point, if half.is_finite() { half.abs() } else { 0.0 }))
}

/// The ranges of both axes: the requested ends and all points.
pub(super) fn axes(picture: &CurvesPicture<'_>) -> Result<(Range<f64>, Range<f64>)> {
    for curve in picture.curves {
        ensure!(
            curve.spread.is_empty() || curve.spread.len() == curve.points.len(),
            "the band of {} has {} values, not {}: one per point",
            curve.label,
            curve.spread.len(),
            curve.points.len()
        );
    }
    let points = || {
        picture
            .curves
            .iter()
            .flat_map(finite)
            .map(|(point, _)| point)
    };
    ensure!(points().next().is_some(), "there is no curve to draw");
    let (low, high) = picture.y_range;
    ensure!(
        low.is_finite() && high.is_finite() && low < high,
        "the y axis cannot go from {low} to {high}: the ends must be finite and in order"
    );
    let last = picture.x_ticks.len().saturating_sub(1).max(1) as f64;
    let mut axes = (0.0..last, low..high);
    for (x, y) in points() {
        axes.0 = axes.0.start.min(x)..axes.0.end.max(x);
        axes.1 = axes.1.start.min(y)..axes.1.end.max(y);
    }
    // Plotters counts pixels in i32; larger lengths would overflow.
    let far = |axis: &Range<f64>| axis.start.abs().max(axis.end.abs()) > 1e12;
    ensure!(
        !far(&axes.0) && !far(&axes.1),
        "a point lies further than 1e12 from 0"
    );
    Ok(axes)
}

/// Positions and texts of the labels on the x axis.
fn ticks(names: &[String], last: f64) -> Vec<(f64, String)> {
    if names.is_empty() {
        let step = (last / 10.0).ceil().max(1.0);
        let places = (0..=10).map(|index| f64::from(index) * step);
        let places = places.take_while(|x| *x <= last);
        return places.map(|x| (x, format!("{x:.0}"))).collect();
    }
    let places = names.iter().enumerate();
    places.map(|(x, name)| (x as f64, name.clone())).collect()
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw_ticks(
    area: &Area<'_>,
    chart: &mut Chart<'_, '_>,
    ticks: &[(f64, String)],
    y_axis: &Range<f64>,
) -> Result<()> {
    let place = |chart: &Chart<'_, '_>, x: f64| chart.backend_coord(&(x, y_axis.start));
    let spacing = match ticks {
        [(first, _), (second, _), ..] => place(chart, *second).0 - place(chart, *first).0,
        _ => 200,
    };
    let widest = ticks.iter().map(|(_, name)| text_width(name, TICK)).max();
    let crowded = widest.unwrap_or(0) > spacing - 6;
    for (index, (x, name)) in ticks.iter().enumerate() {
        let line = PathElement::new([(*x, y_axis.start), (*x, y_axis.end)], FAINT);
        chart.draw_series([line]).map_err(drawing)?;
        // Move every other name one line down if neighbours would touch.
        let (middle, bottom) = place(chart, *x);
        let y = bottom + if crowded && index % 2 == 1 { 27 } else { 12 };
        let name = fitted(name, TICK, 2 * spacing - 8);
        write(area, &name, (middle, y), font(TICK, INK), HPos::Center)?;
    }
    Ok(())
}

fn draw_band(
    chart: &mut Chart<'_, '_>,
    curve: &Curve<'_>,
    index: usize,
    y_axis: &Range<f64>,
) -> Result<()> {
    if finite(curve).all(|(_, half)| half == 0.0) {
        return Ok(());
    }
    let edge = |sign: f64| {
        finite(curve)
            .map(|((x, y), half)| (x, (y + sign * half).clamp(y_axis.start, y_axis.end)))
            .collect::<Vec<_>>()
    };
    let mut outline = edge(1.0);
    outline.extend(edge(-1.0).into_iter().rev());
    let band = Polygon::new(outline, SERIES[index % SERIES.len()].mix(0.15));
    chart.draw_series([band]).map_err(drawing)?;
    Ok(())
}

/// A shape per curve, so that curves differ without colour too.
fn draw_marker(area: &Area<'_>, index: usize, (x, y): (i32, i32)) -> Result<()> {
    let fill = SERIES[index % SERIES.len()].filled();
    let corners: &[(i32, i32)] = match index % 5 {
        0 => return area.draw(&Circle::new((x, y), 4, fill)).map_err(drawing),
        1 => &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
        2 => &[(0, -5), (5, 4), (-5, 4)],
        3 => &[(0, -6), (6, 0), (0, 6), (-6, 0)],
        _ => &[(0, 5), (5, -4), (-5, -4)],
    };
    let corners: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    area.draw(&Polygon::new(corners, fill)).map_err(drawing)
}

/// Left end and row of each entry of the legend below the plot.
fn legend_places(curves: &[Curve<'_>], width: i32) -> Vec<(i32, i32)> {
    let (mut x, mut row) = (0, 0);
    let mut places = Vec::new();
    for curve in curves {
        let entry = SAMPLE + text_width(curve.label, ENTRY) + 16;
        if x > 0 && x + entry > width {
            (x, row) = (0, row + 1);
        }
        places.push((x, row));
        x += entry;
    }
    places
}

fn draw_entry(area: &Area<'_>, index: usize, label: &str, (x, y): (i32, i32)) -> Result<()> {
    let style = SERIES[index % SERIES.len()].stroke_width(2);
    let line = PathElement::new([(x, y), (x + SAMPLE - 8, y)], style);
    area.draw(&line).map_err(drawing)?;
    draw_marker(area, index, (x + (SAMPLE - 8) / 2, y))?;
    write(area, label, (x + SAMPLE, y), font(ENTRY, INK), HPos::Left)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn drawn(points: Vec<(f64, f64)>, spread: Vec<f64>, y_range: (f64, f64)) -> Result<String> {
        let ticks = ["one".to_string(), "two & a half".to_string()];
        let curve = Curve {
            label: "a<b",
            points,
            spread,
        };
        curves(&CurvesPicture {
            title: "title",
            x_label: "task",
            y_label: "mean",
            x_ticks: &ticks,
            y_range,
            curves: &[curve],
        })
    }

    const PERCENT: (f64, f64) = (0.0, 100.0);

    #[test]
    fn a_picture_contains_its_labels_and_is_reproducible() {
        let picture = || drawn(vec![(0.0, 90.0), (1.0, 40.0)], vec![2.0, 3.0], PERCENT);
        let svg = picture().unwrap();
        for text in ["title", "task", "mean", "one", "two &amp; a half", "a&lt;b"] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        // One marker per point and one in the legend; one band.
        assert_eq!(svg.matches("<circle").count(), 3);
        assert_eq!(svg.matches("<polygon").count(), 1);
        assert!(!svg.contains("a<b"));
        assert_eq!(svg, picture().unwrap());
    }

    #[test]
    fn points_that_are_not_finite_are_left_out() {
        let points = vec![(0.0, 90.0), (1.0, f64::NAN), (1.0, 50.0)];
        let svg = drawn(points, vec![1.0, 1.0, f64::INFINITY], PERCENT).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2 + 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn every_curve_has_a_marker_of_its_own() {
        let curve = |label| Curve {
            label,
            points: vec![(0.0, 1.0), (250.0, 2.0)],
            spread: vec![],
        };
        let svg = curves(&CurvesPicture {
            title: "",
            x_label: "step",
            y_label: "loss",
            x_ticks: &[],
            y_range: (0.0, 1.0),
            curves: &[curve("round"), curve("square")],
        });
        let svg = svg.unwrap();
        assert_eq!(svg.matches("<circle").count(), 3);
        assert_eq!(svg.matches("<polygon").count(), 3);
        assert!(svg.contains("250"), "x is not numbered");
    }

    #[test]
    fn empty_and_invalid_curves_are_errors() {
        let here = || vec![(0.0, 5.0)];
        let cases = [
            (vec![], vec![], PERCENT, "no curve to draw"),
            (vec![(0.0, f64::NAN)], vec![], PERCENT, "no curve to draw"),
            (vec![(0.0, 1e300)], vec![], PERCENT, "further than 1e12"),
            (here(), vec![], (1.0, 1.0), "cannot go from 1 to 1"),
            (here(), vec![1.0, 1.0], PERCENT, "2 values, not 1"),
        ];
        for (points, spread, y_range, words) in cases {
            let error = drawn(points, spread, y_range).unwrap_err();
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }
}
