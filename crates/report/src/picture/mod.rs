//! Pictures as SVG documents.

mod curves;
mod heat_map;
mod panels;
mod scatter;
mod style;

pub use curves::{Curve, CurvesPicture, curves};
pub use heat_map::{MatrixPicture, heat_map};
pub use panels::panels;
pub use scatter::{Mark, ScatterPanel, ScatterPicture, ScatterPoint, ScatterSeries, scatter};
