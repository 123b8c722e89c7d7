//! Points over logarithmic axes, panel beside panel.

use std::ops::Range;

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::style::{Area, DIM, FAINT, FONT, INK, SERIES, drawing, font, text_width, write};

/// How a point is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// In the colour of its series.
    Filled,
    /// As an outline in the colour of its series.
    Hollow,
    /// Small and grey, below all others.
    Faint,
}

/// A point.
#[derive(Clone, Copy, Debug)]
pub struct ScatterPoint {
    /// Its place on the x axis, above 0.
    pub x: f64,
    /// Its place on the y axis, above 0.
    pub y: f64,
    /// How it is drawn.
    pub mark: Mark,
}

/// Points of one colour.
#[derive(Clone, Debug)]
pub struct ScatterSeries {
    /// Its name in the legend.
    pub label: String,
    /// Its points; those that have no place on a logarithmic axis are left out.
    pub points: Vec<ScatterPoint>,
}

/// One pair of axes.
#[derive(Clone, Debug)]
pub struct ScatterPanel<'a> {
    /// Title of the panel.
    pub title: &'a str,
    /// Label of the x axis.
    pub x_label: &'a str,
    /// Its points. The legend shows the series of the first panel: all have the same ones.
    pub series: Vec<ScatterSeries>,
}

/// Panels with a common y axis.
pub struct ScatterPicture<'a> {
    /// Label of the y axis.
    pub y_label: &'a str,
    /// The panels, from left to right.
    pub panels: &'a [ScatterPanel<'a>],
}

const PANEL: (i32, i32) = (470, 400);
const MARGIN: i32 = 14;
const LABELS: i32 = 52;
const TICK: f64 = 11.0;
const ENTRY: f64 = 12.0;
const ENTRY_HEIGHT: i32 = 22;

/// Numbers that plotters draws on a logarithmic axis without overflow.
const DRAWABLE: Range<f64> = 1e-30..1e30;

/// Draws the picture as an SVG document.
///
/// # Errors
///
/// If no panel has a point that has a place on the axes.
pub fn scatter(picture: &ScatterPicture<'_>) -> Result<String> {
    let all = || {
        picture
            .panels
            .iter()
            .flat_map(drawable)
            .map(|(_, point)| point)
    };
    ensure!(all().next().is_some(), "there is no point to draw");
    let y_axis = axis(all().map(|point| point.y));
    let entries = picture
        .panels
        .first()
        .map_or(&[][..], |panel| &panel.series);
    let width = PANEL.0 * picture.panels.len() as i32;
    let height = PANEL.1 + ENTRY_HEIGHT + MARGIN;
    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (width as u32, height as u32));
        let area = backend.into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        let (plots, _) = area.split_vertically(PANEL.1);
        let places = plots.split_evenly((1, picture.panels.len()));
        for (panel, place) in picture.panels.iter().zip(&places) {
            draw_panel(place, panel, picture.y_label, &y_axis)?;
        }
        let mut x = MARGIN + LABELS;
        for (index, series) in entries.iter().enumerate() {
            let y = PANEL.1 + ENTRY_HEIGHT / 2;
            draw_mark(&area, index, Mark::Filled, (x, y))?;
            write(
                &area,
                &series.label,
                (x + 10, y),
                font(ENTRY, INK),
                HPos::Left,
            )?;
            x += 10 + text_width(&series.label, ENTRY) + 16;
        }
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

/// The points of a panel that have a place on logarithmic axes, each with the number of its series.
fn drawable<'a>(panel: &'a ScatterPanel<'_>) -> impl Iterator<Item = (usize, ScatterPoint)> + 'a {
    let series = panel.series.iter().enumerate();
    let points = series.flat_map(|(index, series)| {
        let points = series.points.iter();
        points.map(move |point| (index, *point))
    });
    points.filter(|(_, point)| DRAWABLE.contains(&point.x) && DRAWABLE.contains(&point.y))
}

/// Whole powers of ten around some numbers.
fn axis(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for value in values {
        (low, high) = (low.min(value), high.max(value));
    }
    let (low, high) = (low.log10().floor(), high.log10().ceil());
    10.0_f64.powf(low)..10.0_f64.powf(high.max(low + 1.0))
}

fn draw_panel(
    area: &Area<'_>,
    panel: &ScatterPanel<'_>,
    y_label: &str,
    y_axis: &Range<f64>,
) -> Result<()> {
    let title = (MARGIN + LABELS, 22);
    write(area, panel.title, title, font(14.0, INK), HPos::Left)?;
    let points: Vec<(usize, ScatterPoint)> = drawable(panel).collect();
    let x_axis = match points.is_empty() {
        true => 0.1..1.0,
        false => axis(points.iter().map(|(_, point)| point.x)),
    };
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN)
        .margin_top(40)
        .x_label_area_size(44)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(x_axis.log_scale(), y_axis.clone().log_scale())
        .map_err(drawing)?;
    let power = |value: &f64| format!("1e{:.0}", value.log10());
    chart
        .configure_mesh()
        .x_desc(panel.x_label)
        .y_desc(y_label)
        .x_labels(6)
        .y_labels(8)
        .x_label_formatter(&power)
        .y_label_formatter(&power)
        .x_max_light_lines(0)
        .y_max_light_lines(0)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .label_style((FONT, TICK).into_font().color(&INK))
        .axis_desc_style((FONT, ENTRY).into_font().color(&INK))
        .draw()
        .map_err(drawing)?;
    let is_faint = |point: &ScatterPoint| point.mark == Mark::Faint;
    let (faint, clear): (Vec<_>, Vec<_>) = points.into_iter().partition(|(_, p)| is_faint(p));
    for (index, point) in faint.into_iter().chain(clear) {
        // Of the whole picture, of which the panel is a part.
        let (x, y) = chart.backend_coord(&(point.x, point.y));
        let (left, top) = area.get_base_pixel();
        draw_mark(area, index, point.mark, (x - left, y - top))?;
    }
    Ok(())
}

/// A circle, or a square where the colours begin again.
fn draw_mark(area: &Area<'_>, index: usize, mark: Mark, (x, y): (i32, i32)) -> Result<()> {
    let color = SERIES[index % SERIES.len()];
    let style = match mark {
        Mark::Filled => color.filled(),
        Mark::Hollow => color.stroke_width(1),
        Mark::Faint => DIM.filled(),
    };
    let half = if mark == Mark::Faint { 1 } else { 3 };
    match index / SERIES.len() % 2 {
        0 => area.draw(&Circle::new((x, y), half, style)),
        _ => area.draw(&Rectangle::new(
            [(x - half, y - half), (x + half, y + half)],
            style,
        )),
    }
    .map_err(drawing)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn drawn(points: &[(f64, f64, Mark)]) -> Result<String> {
        let points = points
            .iter()
            .map(|&(x, y, mark)| ScatterPoint { x, y, mark });
        let panel = |title| ScatterPanel {
            title,
            x_label: "value",
            series: vec![ScatterSeries {
                label: "a<b".to_string(),
                points: points.clone().collect(),
            }],
        };
        scatter(&ScatterPicture {
            y_label: "size",
            panels: &[panel("left"), panel("right")],
        })
    }

    #[test]
    fn every_point_is_drawn_in_every_panel_as_it_is_marked() {
        let points = [
            (1e-6, 0.5, Mark::Filled),
            (0.3, 1e-9, Mark::Hollow),
            (1.0, 1.0, Mark::Faint),
        ];
        let svg = drawn(&points).unwrap();
        // Three points in each of two panels, and one in the legend.
        assert_eq!(svg.matches("<circle").count(), 7);
        let circles = svg.lines().filter(|line| line.starts_with("<circle"));
        let hollow = circles.filter(|line| line.contains("fill=\"none\""));
        assert_eq!(hollow.count(), 2);
        for text in ["left", "right", "value", "size", "a&lt;b", "1e-6"] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert_eq!(svg, drawn(&points).unwrap());
    }

    #[test]
    fn the_second_panel_has_its_points_inside_of_it() {
        let svg = drawn(&[(0.1, 0.1, Mark::Filled), (0.9, 0.9, Mark::Filled)]).unwrap();
        let places = svg.lines().filter(|line| line.starts_with("<circle"));
        let x = |line: &str| -> i32 {
            let after = line.split("cx=\"").nth(1).unwrap();
            after.split('"').next().unwrap().parse().unwrap()
        };
        let right = places.filter(|line| (PANEL.0..2 * PANEL.0).contains(&x(line)));
        assert_eq!(right.count(), 2, "{svg}");
    }

    #[test]
    fn points_without_a_place_are_left_out_and_nothing_is_an_error() {
        let broken = [
            (0.0, 1.0, Mark::Filled),
            (1.0, -1.0, Mark::Filled),
            (f64::NAN, 1.0, Mark::Filled),
            (1.0, f64::INFINITY, Mark::Filled),
            (1e-300, 1.0, Mark::Filled),
        ];
        let error = drawn(&broken).unwrap_err();
        assert!(error.to_string().contains("no point to draw"), "{error}");
        let one = [&broken[..], &[(1.0, 1.0, Mark::Filled)]].concat();
        let svg = drawn(&one).unwrap();
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
