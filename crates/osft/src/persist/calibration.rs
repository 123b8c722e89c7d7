//! Saving and loading a calibration.

use std::sync::Arc;

use burn::tensor::TensorData;
use faer::Mat;
use serde::{Deserialize, Serialize};

use crate::calibration::{
    Calibration, LayerCalibration, Moment, Second, Sketch, Source, Symmetric, Union,
};
use crate::error::OsftError;
use crate::linalg::vector_data;
use crate::persist::{Format, Tensors, pack, unpack};

/// Since version 2, importance is optional; version 1 always contains both measures. Version 3 added the
/// checksum. Since version 4, an exact moment is its upper triangle, in f32 if it is large. Version 5 added
/// united directions; a calibration without them is written as version 4.
const FORMAT: Format = Format {
    kind: "calibration",
    version: 5,
    oldest: 1,
    checked_since: 3,
};

/// Version of a file without united directions.
const WITHOUT_UNIONS: u32 = 4;

/// Names of the tensors with importance scores.
mod importance {
    pub const COSINE: &str = "layer.cosines";
    pub const LINEAR_CKA: &str = "layer.linear_cka";
}

#[derive(Serialize, Deserialize)]
struct Header {
    sources: Vec<SourceHeader>,
    layers: Vec<LayerHeader>,
    /// Rows of every moment's sketch; `None` if the moment is exact.
    sketch_rows: Vec<Option<usize>>,
    /// Whether every moment has united directions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    united: bool,
}

#[derive(Serialize, Deserialize)]
struct SourceHeader {
    name: String,
    tokens: usize,
}

#[derive(Serialize, Deserialize)]
struct LayerHeader {
    path: String,
    moment: usize,
}

impl Calibration {
    /// The calibration as the bytes of one safetensors file.
    ///
    /// # Errors
    ///
    /// [`OsftError::BrokenState`] if it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OsftError> {
        let mut tensors = Tensors::new();
        let mut sketch_rows = Vec::new();
        for (index, moment) in self.moments.iter().enumerate() {
            let [mean, numbers, second] = moment.parts();
            tensors.push((format!("{index}.moment"), second));
            tensors.push((format!("{index}.mean"), mean));
            tensors.push((format!("{index}.numbers"), numbers));
            sketch_rows.push(match &moment.second {
                Second::Dense(_) => None,
                Second::Sketched(sketch) => Some(sketch.sketch_rows()),
            });
        }
        for (index, union) in self.unions.iter().enumerate() {
            let [basis, importance] = union.parts();
            tensors.push((format!("{index}.union"), basis));
            tensors.push((format!("{index}.union.importance"), importance));
        }
        let vector = |values: Vec<f64>| vector_data(&values);
        let weights = self.sources.iter().map(|source| source.weight).collect();
        tensors.push(("source.weights".to_string(), vector(weights)));
        // A pass measures all layers or none.
        let layers = self.layers.iter();
        let cosines: Option<Vec<f64>> = layers.clone().map(|layer| layer.cosine).collect();
        let cka: Option<Vec<f64>> = layers.map(|layer| layer.linear_cka).collect();
        for (name, scores) in [(importance::COSINE, cosines), (importance::LINEAR_CKA, cka)] {
            tensors.extend(scores.map(|scores| (name.to_string(), vector(scores))));
        }
        let source = |source: &Source| SourceHeader {
            name: source.name.clone(),
            tokens: source.tokens,
        };
        let layer = |layer: &LayerCalibration| LayerHeader {
            path: layer.path.clone(),
            moment: layer.moment,
        };
        let header = Header {
            sources: self.sources.iter().map(source).collect(),
            layers: self.layers.iter().map(layer).collect(),
            sketch_rows,
            united: !self.unions.is_empty(),
        };
        let version = match header.united {
            true => FORMAT.version,
            false => WITHOUT_UNIONS,
        };
        pack(Format { version, ..FORMAT }, &header, &tensors)
    }

    /// Loads a calibration that [`to_bytes`](Self::to_bytes) saved.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherFormat`] if its version cannot be read, [`OsftError::BrokenState`] if the bytes are
    /// not a saved calibration or were changed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OsftError> {
        let (header, mut tensors) = unpack::<Header>(FORMAT, bytes)?;
        let broken = |reason: &str| OsftError::BrokenState {
            kind: FORMAT.kind,
            reason: reason.to_string(),
        };
        let mut moments = Vec::new();
        for (index, sketch_rows) in header.sketch_rows.iter().enumerate() {
            let second = tensors.take(&format!("{index}.moment"))?;
            let mean = tensors.take_vector(&format!("{index}.mean"))?;
            let [trace, shrinkage] = tensors.take_numbers(&format!("{index}.numbers"))?;
            let unfit = || broken("a moment has not the dimension of its mean");
            let second = match (sketch_rows, second.shape().len()) {
                // Up to version 3: all entries.
                (None, 2) => {
                    let matrix = matrix_of(&second, mean.len()).ok_or_else(unfit)?;
                    if matrix.nrows() != matrix.ncols() {
                        return Err(broken("a moment is not square"));
                    }
                    Second::Dense(Symmetric::of(&matrix))
                }
                (None, _) => {
                    Second::Dense(Symmetric::from_data(mean.len(), &second).ok_or_else(unfit)?)
                }
                (Some(rows), _) => {
                    let matrix = matrix_of(&second, mean.len()).ok_or_else(unfit)?;
                    Second::Sketched(Sketch::from_parts(&matrix, *rows, shrinkage))
                }
            };
            moments.push(Arc::new(Moment {
                mean,
                trace,
                second,
            }));
        }
        let mut unions = Vec::new();
        for (index, moment) in moments.iter().enumerate().filter(|_| header.united) {
            let basis = tensors.take(&format!("{index}.union"))?;
            let importance = tensors.take_vector(&format!("{index}.union.importance"))?;
            let basis = matrix_of(&basis, importance.len());
            let fits = |basis: &Mat<f64>| {
                let [rows, columns] = [basis.nrows(), basis.ncols()];
                rows == moment.dimension() && columns <= rows
            };
            let basis = basis
                .filter(fits)
                .ok_or_else(|| broken("united directions do not fit their moment"))?;
            unions.push(Arc::new(Union { basis, importance }));
        }
        let weights = tensors.take_vector("source.weights")?;
        let cosines = tensors.find_vector(importance::COSINE);
        let cka = tensors.find_vector(importance::LINEAR_CKA);
        let count = header.layers.len();
        let fits =
            |scores: &Option<Vec<f64>>| scores.as_ref().is_none_or(|values| values.len() == count);
        if weights.len() != header.sources.len() || !fits(&cosines) || !fits(&cka) {
            return Err(broken("not one number per source and layer"));
        }
        if header
            .layers
            .iter()
            .any(|layer| layer.moment >= moments.len())
        {
            return Err(broken("a layer has no moment"));
        }
        let sources = header.sources.into_iter().zip(weights);
        let score =
            |scores: &Option<Vec<f64>>, index: usize| scores.as_ref().map(|values| values[index]);
        let layers = header.layers.into_iter().enumerate();
        Ok(Self {
            sources: sources
                .map(|(source, weight)| Source {
                    name: source.name,
                    tokens: source.tokens,
                    weight,
                })
                .collect(),
            moments,
            unions,
            layers: layers
                .map(|(index, layer)| LayerCalibration {
                    path: layer.path,
                    moment: layer.moment,
                    cosine: score(&cosines, index),
                    linear_cka: score(&cka, index),
                })
                .collect(),
        })
    }
}

/// A matrix with so many columns; `None` for another shape.
fn matrix_of(data: &TensorData, columns: usize) -> Option<Mat<f64>> {
    match data.shape()[..] {
        [rows, found] if found == columns => {
            let values: Vec<f64> = data.iter::<f64>().collect();
            Some(Mat::from_fn(rows, columns, |i, j| values[i * columns + j]))
        }
        _ => None,
    }
}
