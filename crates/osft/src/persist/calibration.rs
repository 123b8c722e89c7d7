//! Saving and loading a calibration.

use std::sync::Arc;

use burn::tensor::TensorData;
use faer::Mat;
use serde::{Deserialize, Serialize};

use crate::calibration::{
    Calibration, LayerCalibration, Moment, Second, Sketch, Source, Symmetric, Union,
};
use crate::config::MomentConfig;
use crate::error::OsftError;
use crate::linalg::{matrix_data, vector_data};
use crate::persist::{Format, Stored, Tensors, pack, unpack};

/// Since version 2, importance is optional; version 1 always contains both measures. Version 3 added the
/// checksum. Since version 4, an exact moment is its upper triangle, in f32 if it is large. Version 5 added
/// united directions and other measures of importance, version 6 the moments of the gradients, version 7 how the
/// moments were summed, and what only such moments have; a calibration without them is written as version 4.
const FORMAT: Format = Format {
    kind: "calibration",
    version: 7,
    oldest: 1,
    checked_since: 3,
};

/// Version of a file without what version 7 added, without what version 6 added, and without what version 5 added.
const PLAINLY_SUMMED: u32 = 6;
const WITHOUT_GRADIENTS: u32 = 5;
const WITHOUT_ADDITIONS: u32 = 4;

/// The tensor with the scores of a measure of importance, one number per layer.
fn scores_name(measure: &str) -> String {
    match measure {
        // Their names in files of version 1.
        "cosine" => "layer.cosines".to_string(),
        "linear_cka" => "layer.linear_cka".to_string(),
        other => format!("layer.importance.{other}"),
    }
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
    /// Rows of the sketch of every layer's moment of the gradients, `None` for an exact one; empty without such
    /// moments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gradient_sketch_rows: Vec<Option<usize>>,
    /// The measures of importance beside cosine and linear CKA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    measures: Vec<String>,
    /// How the moments were summed.
    #[serde(default, skip_serializing_if = "MomentConfig::is_default")]
    moment: MomentConfig,
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
            sketch_rows.push(push_moment(&index.to_string(), moment, &mut tensors));
        }
        let mut gradient_sketch_rows = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(moment) = &layer.gradients {
                let name = format!("{index}.gradients");
                gradient_sketch_rows.push(push_moment(&name, moment, &mut tensors));
            }
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
        let names = self.layers.first().map(|layer| layer.scores.keys());
        let names: Vec<&String> = names.into_iter().flatten().collect();
        let later = names
            .iter()
            .filter(|name| !["cosine", "linear_cka"].contains(&name.as_str()));
        let measures: Vec<String> = later.map(|name| (*name).clone()).collect();
        for measure in names {
            let scores = self.layers.iter();
            let scores: Option<Vec<f64>> = scores
                .map(|layer| layer.scores.get(measure).copied())
                .collect();
            tensors.extend(scores.map(|scores| (scores_name(measure), vector(scores))));
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
            gradient_sketch_rows,
            measures,
            moment: self.measured,
        };
        let additions = header.united || !header.measures.is_empty();
        let version = match (header.gradient_sketch_rows.is_empty(), additions) {
            _ if !header.moment.is_default() => FORMAT.version,
            (false, _) => PLAINLY_SUMMED,
            (true, true) => WITHOUT_GRADIENTS,
            (true, false) => WITHOUT_ADDITIONS,
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
        let mut moments = Vec::new();
        for (index, sketch_rows) in header.sketch_rows.iter().enumerate() {
            let moment = take_moment(&index.to_string(), *sketch_rows, &mut tensors)?;
            moments.push(Arc::new(moment));
        }
        let mut gradients = Vec::new();
        for (index, sketch_rows) in header.gradient_sketch_rows.iter().enumerate() {
            let name = format!("{index}.gradients");
            let moment = take_moment(&name, *sketch_rows, &mut tensors)?;
            gradients.push(Arc::new(moment));
        }
        if !gradients.is_empty() && gradients.len() != header.layers.len() {
            return Err(broken("not one moment of the gradients per layer"));
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
        let scores = header.measures.iter().map(String::as_str);
        // Files up to version 4 have no list.
        let scores = ["cosine", "linear_cka"].into_iter().chain(scores);
        let scores = scores.filter_map(|measure| {
            let values = tensors.find_vector(&scores_name(measure))?;
            Some((measure.to_string(), values))
        });
        let scores: Vec<(String, Vec<f64>)> = scores.collect();
        let count = header.layers.len();
        let fit = scores.iter().all(|(_, values)| values.len() == count);
        if weights.len() != header.sources.len() || !fit {
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
            measured: header.moment,
            layers: layers
                .map(|(index, layer)| LayerCalibration {
                    path: layer.path,
                    moment: layer.moment,
                    gradients: gradients.get(index).cloned(),
                    scores: scores
                        .iter()
                        .map(|(measure, values)| (measure.clone(), values[index]))
                        .collect(),
                })
                .collect(),
        })
    }
}

fn broken(reason: &str) -> OsftError {
    OsftError::BrokenState {
        kind: FORMAT.kind,
        reason: reason.to_string(),
    }
}

/// Adds the tensors of a moment, and returns the rows of its sketch; `None` if it is exact.
fn push_moment(name: &str, moment: &Moment, tensors: &mut Tensors) -> Option<usize> {
    let [mean, numbers, second] = moment.parts();
    tensors.push((format!("{name}.moment"), second));
    tensors.push((format!("{name}.mean"), mean));
    tensors.push((format!("{name}.numbers"), numbers));
    if moment.first.ncols() > 0 {
        tensors.push((format!("{name}.first"), matrix_data(&moment.first)));
    }
    if let Some(variance) = moment.variance {
        tensors.push((format!("{name}.variance"), vector_data(&[variance])));
    }
    match &moment.second {
        Second::Dense(_) => None,
        Second::Sketched(sketch) => Some(sketch.sketch_rows()),
    }
}

/// # Errors
///
/// [`OsftError::BrokenState`] if the tensors are missing or do not fit each other.
fn take_moment(
    name: &str,
    sketch_rows: Option<usize>,
    tensors: &mut Stored,
) -> Result<Moment, OsftError> {
    let second = tensors.take(&format!("{name}.moment"))?;
    let mean = tensors.take_vector(&format!("{name}.mean"))?;
    let [trace, shrinkage] = tensors.take_numbers(&format!("{name}.numbers"))?;
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
        (None, _) => Second::Dense(Symmetric::from_data(mean.len(), &second).ok_or_else(unfit)?),
        (Some(rows), _) => {
            let matrix = matrix_of(&second, mean.len()).ok_or_else(unfit)?;
            Second::Sketched(Sketch::from_parts(&matrix, rows, shrinkage))
        }
    };
    let first = match tensors.find(&format!("{name}.first")) {
        None => Mat::zeros(mean.len(), 0),
        Some(first) => {
            let columns = first.shape().get(1).copied().unwrap_or(0);
            let fits = |first: &Mat<f64>| first.nrows() == mean.len() && columns <= mean.len();
            let first = matrix_of(&first, columns).filter(fits);
            first.ok_or_else(|| broken("first tokens' directions do not fit their moment"))?
        }
    };
    let variance = match tensors.find_vector(&format!("{name}.variance")).as_deref() {
        None => None,
        Some([variance]) => Some(*variance),
        Some(_) => return Err(broken("a moment has more than one variance")),
    };
    Ok(Moment {
        mean,
        trace,
        second,
        first,
        variance,
    })
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
