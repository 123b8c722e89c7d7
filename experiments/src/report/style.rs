//! What the pictures share: fonts, colours, escaping of plotters' errors.

use anyhow::{Error, anyhow};
use plotters::style::RGBColor;

/// Font family of all text; SVG viewers choose the face.
pub const FONT: &str = "sans-serif";
/// Colour of text and axes.
pub const INK: RGBColor = RGBColor(40, 40, 40);
/// Colour of grid lines and empty cells.
pub const FAINT: RGBColor = RGBColor(225, 225, 225);

/// Line colours that colour-blind readers can tell apart (Okabe and Ito).
pub const SERIES: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// Anchors of the score scale, from 0 to 100: light to dark, and in that order without colour too.
const SCALE: [(u8, u8, u8); 5] = [
    (247, 251, 255),
    (198, 219, 239),
    (107, 174, 214),
    (33, 113, 181),
    (8, 48, 107),
];

/// Colour of a score in `[0, 100]`.
pub fn score_color(score: f64) -> RGBColor {
    let place = (score / 100.0).clamp(0.0, 1.0) * (SCALE.len() - 1) as f64;
    let index = (place as usize).min(SCALE.len() - 2);
    let part = place - index as f64;
    let (low, high) = (SCALE[index], SCALE[index + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
}

/// Colour of text on a cell of that score.
pub fn text_color(score: f64) -> RGBColor {
    if score > 55.0 {
        RGBColor(255, 255, 255)
    } else {
        INK
    }
}

/// Plotters' errors borrow from the drawing; this one does not.
pub fn drawing<E: std::fmt::Display>(error: E) -> Error {
    anyhow!("cannot draw the picture: {error}")
}
