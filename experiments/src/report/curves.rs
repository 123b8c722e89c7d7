//! Scores along a sequence as curves.

use anyhow::{Result, ensure};
use plotters::prelude::*;

use super::style::{FAINT, FONT, INK, SERIES, drawing};

/// A line of points.
pub struct Curve<'a> {
    /// Its name in the legend.
    pub label: &'a str,
    /// Its points, in order of x.
    pub points: Vec<(f64, f64)>,
    /// Half the height of the band around each point; empty for no band.
    pub spread: Vec<f64>,
}

/// Curves over one pair of axes.
pub struct CurvesPicture<'a> {
    /// Title of the picture.
    pub title: &'a str,
    /// What x is.
    pub x_label: &'a str,
    /// What y is.
    pub y_label: &'a str,
    /// Labels of x = 0, 1, 2, …
    pub x_ticks: &'a [String],
    /// Ends of the y axis.
    pub y_range: (f64, f64),
    /// The curves.
    pub curves: &'a [Curve<'a>],
}

/// The picture as an SVG document.
///
/// # Errors
///
/// If no curve has a finite point.
pub fn curves(picture: &CurvesPicture<'_>) -> Result<String> {
    let finite = |curve: &Curve<'_>| {
        curve
            .points
            .iter()
            .any(|(x, y)| x.is_finite() && y.is_finite())
    };
    ensure!(
        picture.curves.iter().any(finite) && !picture.x_ticks.is_empty(),
        "there is no curve to draw"
    );
    let last = (picture.x_ticks.len() - 1).max(1) as f64;
    let (low, high) = picture.y_range;
    let width = (160 + 84 * picture.x_ticks.len() as u32).clamp(560, 1400);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, 400)).into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(picture.title, (FONT, 15).into_font().color(&INK))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(50)
            .build_cartesian_2d(-0.2..last + 0.2, low..high)
            .map_err(drawing)?;
        let label = |x: &f64| {
            let near = x.round();
            let tick = picture.x_ticks.get(near.max(0.0) as usize);
            match tick.filter(|_| (x - near).abs() < 1e-6 && near >= 0.0) {
                Some(name) => name.clone(),
                None => String::new(),
            }
        };
        chart
            .configure_mesh()
            .x_desc(picture.x_label)
            .y_desc(picture.y_label)
            .x_labels(picture.x_ticks.len() + 1)
            .x_label_formatter(&label)
            .y_label_formatter(&|y| format!("{y:.0}"))
            .y_max_light_lines(0)
            .x_max_light_lines(0)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .label_style((FONT, 11).into_font().color(&INK))
            .draw()
            .map_err(drawing)?;
        for (index, curve) in picture.curves.iter().enumerate() {
            let color = SERIES[index % SERIES.len()];
            let points: Vec<(f64, f64)> = curve
                .points
                .iter()
                .copied()
                .filter(|(x, y)| x.is_finite() && y.is_finite())
                .collect();
            if curve.spread.len() == curve.points.len() {
                let edge = |sign: f64| {
                    let both = curve.points.iter().zip(&curve.spread);
                    both.map(move |((x, y), s)| (*x, y + sign * s))
                };
                let mut band: Vec<(f64, f64)> = edge(1.0).collect();
                band.extend(edge(-1.0).rev());
                let band = Polygon::new(band, color.mix(0.15));
                chart.draw_series([band]).map_err(drawing)?;
            }
            let line = LineSeries::new(points.iter().copied(), color.stroke_width(2));
            chart
                .draw_series(line)
                .map_err(drawing)?
                .label(curve.label)
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 4), (x + 14, y + 4)], color.filled())
                });
            let markers = points
                .iter()
                .map(|&point| Circle::new(point, 4, color.filled()));
            chart.draw_series(markers).map_err(drawing)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(FAINT)
            .label_font((FONT, 12).into_font().color(&INK))
            .draw()
            .map_err(drawing)?;
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn picture(points: Vec<(f64, f64)>) -> Result<String> {
        let ticks = ["one".to_string(), "two".to_string()];
        let spread = vec![2.0; points.len()];
        let curve = Curve {
            label: "a<b",
            points,
            spread,
        };
        curves(&CurvesPicture {
            title: "title",
            x_label: "task",
            y_label: "score",
            x_ticks: &ticks,
            y_range: (0.0, 100.0),
            curves: &[curve],
        })
    }

    #[test]
    fn a_picture_holds_its_labels_and_is_repeatable() {
        let svg = picture(vec![(0.0, 90.0), (1.0, 40.0)]).unwrap();
        for text in [
            "title",
            "task",
            "score",
            "one",
            "two",
            "a&lt;b",
            "<polyline",
            "<circle",
        ] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert_eq!(svg, picture(vec![(0.0, 90.0), (1.0, 40.0)]).unwrap());
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        assert!(picture(vec![]).is_err());
        assert!(picture(vec![(0.0, f64::NAN)]).is_err());
    }
}
