//! A calibration as bytes, to be saved with a run.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::moment::{Moment, Second};
use super::sketch::Sketch;
use super::{Calibration, LayerCalibration, Source};
use crate::OsftError;
use crate::archive::{Format, Tensors, matrix_data, pack, unpack};

const FORMAT: Format = Format {
    kind: "calibration",
    version: 1,
};

#[derive(Serialize, Deserialize)]
struct Header {
    sources: Vec<Source>,
    layers: Vec<LayerCalibration>,
    moments: Vec<MomentHeader>,
}

#[derive(Serialize, Deserialize)]
struct MomentHeader {
    mean: Vec<f64>,
    trace: f64,
    /// Rows and error bound of a sketch; absent where the moment is exact.
    sketch: Option<(usize, f64)>,
}

impl Calibration {
    /// The calibration as the bytes of one safetensors file.
    ///
    /// # Errors
    ///
    /// [`OsftError::BrokenState`] if it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OsftError> {
        let mut tensors = Tensors::new();
        let mut moments = Vec::new();
        for (index, moment) in self.moments.iter().enumerate() {
            let (matrix, sketch) = match &moment.second {
                Second::Dense(matrix) => (matrix_data(matrix), None),
                Second::Sketched(sketch) => {
                    let bounds = (sketch.sketch_rows(), sketch.shrinkage());
                    (matrix_data(&sketch.matrix()), Some(bounds))
                }
            };
            tensors.push((index.to_string(), matrix));
            moments.push(MomentHeader {
                mean: moment.mean.clone(),
                trace: moment.trace,
                sketch,
            });
        }
        let header = Header {
            sources: self.sources.clone(),
            layers: self.layers.clone(),
            moments,
        };
        pack(FORMAT, &header, &tensors)
    }

    /// A calibration that was saved.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherFormat`] if another version of the layout wrote it,
    /// [`OsftError::BrokenState`] if it is no saved calibration.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OsftError> {
        let (header, mut tensors) = unpack::<Header>(FORMAT, bytes)?;
        let broken = |reason: &str| OsftError::BrokenState {
            kind: FORMAT.kind,
            reason: reason.to_string(),
        };
        let mut moments = Vec::new();
        for (index, moment) in header.moments.into_iter().enumerate() {
            let matrix = tensors.take_matrix(&index.to_string())?;
            let dimension = moment.mean.len();
            if matrix.ncols() != dimension {
                return Err(broken("a moment has not the dimension of its mean"));
            }
            let second = match moment.sketch {
                Some((rows, shrinkage)) => {
                    Second::Sketched(Sketch::from_parts(&matrix, rows, shrinkage))
                }
                None if matrix.nrows() == dimension => Second::Dense(matrix),
                None => return Err(broken("a moment is not square")),
            };
            moments.push(Arc::new(Moment {
                mean: moment.mean,
                trace: moment.trace,
                second,
            }));
        }
        if header
            .layers
            .iter()
            .any(|layer| layer.moment >= moments.len())
        {
            return Err(broken("a layer has no moment"));
        }
        Ok(Self {
            sources: header.sources,
            moments,
            layers: header.layers,
        })
    }
}
