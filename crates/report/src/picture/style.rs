//! The common style of the pictures: fonts, colours, and text of limited width.

use anyhow::{Error, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, SVGBackend, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, IntoFont, RGBColor, TextStyle};

/// Font family of all text; SVG viewers choose the face.
pub const FONT: &str = "sans-serif";
/// Colour of text and axes.
pub const INK: RGBColor = RGBColor(40, 40, 40);
/// Colour of grid lines and empty cells.
pub const FAINT: RGBColor = RGBColor(225, 225, 225);
/// Colour of marks on empty cells.
pub const DIM: RGBColor = RGBColor(150, 150, 150);
/// Colour that stands out on every colour of the score scale.
pub const ACCENT: RGBColor = RGBColor(240, 140, 0);

/// Line colours that colour-blind readers can distinguish (Okabe and Ito).
pub const SERIES: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// Colours of the score scale from 0 to 100, from light to dark, so that they are ordered without
/// colour too.
const SCALE: [(u8, u8, u8); 5] = [
    (247, 251, 255),
    (198, 219, 239),
    (107, 174, 214),
    (33, 113, 181),
    (8, 48, 107),
];

/// A drawing area in pixels.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Colour of a score in `[0, 100]`.
pub fn score_color(score: f64) -> RGBColor {
    let place = (score / 100.0).clamp(0.0, 1.0) * (SCALE.len() - 1) as f64;
    let index = (place as usize).min(SCALE.len() - 2);
    let part = place - index as f64;
    let (low, high) = (SCALE[index], SCALE[index + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
}

/// Colour of text on a cell of this score: ink or white, whichever has more contrast.
pub fn text_color(score: f64) -> RGBColor {
    let white = RGBColor(255, 255, 255);
    let cell = luminance(score_color(score)) + 0.05;
    if (luminance(white) + 0.05) / cell > cell / (luminance(INK) + 0.05) {
        white
    } else {
        INK
    }
}

/// Relative luminance in `[0, 1]` as defined by WCAG 2.
fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
    let linear = |channel: u8| match f64::from(channel) / 255.0 {
        value if value <= 0.04045 => value / 12.92,
        value => ((value + 0.055) / 1.055).powf(2.4),
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

/// An upper estimate of a text's width in pixels: the viewer chooses the font.
pub fn text_width(text: &str, size: f64) -> i32 {
    let width = |letter: char| match letter {
        'W' | 'M' | 'm' | 'w' | '@' | '%' | '…' => 1.0,
        'i' | 'j' | 'l' | 'I' | 't' | 'f' | 'r' | ' ' | '.' | ',' | ':' | '(' | ')' | '-' => 0.42,
        _ if letter.is_ascii_uppercase() => 0.76,
        // Wide scripts fill a square; treating all non-ASCII letters as wide is safe.
        _ if !letter.is_ascii() => 1.0,
        _ => 0.64,
    };
    (text.chars().map(width).sum::<f64>() * size).ceil() as i32
}

/// The text, cut at its end if it is wider than `width` pixels.
pub fn fitted(text: &str, size: f64, width: i32) -> String {
    if text_width(text, size) <= width {
        return text.to_string();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let cut = format!("{}…", kept.iter().collect::<String>());
        if text_width(&cut, size) <= width {
            return cut;
        }
    }
    "…".to_string()
}

/// The text, cut in its middle if it is wider than `width` pixels: names of variants begin alike and differ at their ends.
pub fn fitted_in_the_middle(text: &str, size: f64, width: i32) -> String {
    let all: Vec<char> = text.chars().collect();
    let mut fitting = (0..=all.len()).rev().map(|kept| {
        let (head, tail) = (kept / 3, kept - kept / 3);
        match kept == all.len() {
            true => text.to_string(),
            false => {
                let [head, tail] = [&all[..head], &all[all.len() - tail..]];
                format!("{}…{}", String::from_iter(head), String::from_iter(tail))
            }
        }
    });
    let fitting = fitting.find(|cut| text_width(cut, size) <= width);
    fitting.unwrap_or_else(|| "…".to_string())
}

/// A text style of one size and colour.
pub fn font<'a>(size: f64, color: RGBColor) -> TextStyle<'a> {
    (FONT, size).into_font().color(&color)
}

/// Writes a text that is vertically centred on a position.
///
/// # Errors
///
/// If the backend fails.
pub fn write(
    area: &Area<'_>,
    text: &str,
    place: (i32, i32),
    style: TextStyle<'_>,
    side: HPos,
) -> Result<()> {
    let style = style.pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_string(), place, style))
        .map_err(drawing)
}

/// Writes a rotated text upwards from a position.
///
/// # Errors
///
/// If the backend fails.
pub fn write_upwards(area: &Area<'_>, text: &str, place: (i32, i32), size: f64) -> Result<()> {
    let turned = (FONT, size).into_font().transform(FontTransform::Rotate270);
    let style = turned.color(&INK);
    write(area, text, place, style, HPos::Left)
}

/// Converts a Plotters error, which borrows from the drawing, into one that does not.
pub fn drawing<E: std::fmt::Display>(error: E) -> Error {
    anyhow!("cannot draw the picture: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_scores_are_darker_and_text_has_contrast() {
        for score in 0..100 {
            let (here, next) = (f64::from(score), f64::from(score + 1));
            // Neighbouring scores may round to the same colour.
            assert!(luminance(score_color(here)) >= luminance(score_color(next)));
            let far = luminance(score_color(f64::from(score) - 10.0));
            assert!(score < 10 || far > luminance(score_color(here)), "{score}");
            let (cell, text) = (luminance(score_color(here)), luminance(text_color(here)));
            let contrast = (cell.max(text) + 0.05) / (cell.min(text) + 0.05);
            // On the cell where ink and white are equal, the contrast is 3.8.
            assert!(contrast > 3.7, "{contrast} at {score}");
        }
    }

    #[test]
    fn long_text_is_cut_to_the_width() {
        assert_eq!(fitted("FOMC", 10.0, 100), "FOMC");
        let cut = fitted("a very long name", 10.0, 60);
        assert!(cut.starts_with("a very") && cut.ends_with('…'), "{cut}");
        assert!(text_width(&cut, 10.0) <= 60);
        assert_eq!(fitted("name", 10.0, 0), "…");

        let cut = |end: &str| fitted_in_the_middle(&format!("a very long name {end}"), 10.0, 60);
        assert!(text_width(&cut("0.1"), 10.0) <= 60);
        assert!(cut("0.1").starts_with('a') && cut("0.1").ends_with("0.1"));
        assert_ne!(cut("0.1"), cut("0.2"));
        assert_eq!(fitted_in_the_middle("FOMC", 10.0, 100), "FOMC");
        assert_eq!(fitted_in_the_middle("name", 10.0, 0), "…");
    }
}
