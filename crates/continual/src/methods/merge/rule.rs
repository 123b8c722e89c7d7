//! How the model before a task and the model after it become one.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::ContinualError;

/// Below this sine of the angle between two vectors, the straight line takes the arc's place: spherical interpolation would
/// divide by numbers that f32 cannot hold apart from 0. Of nearly equal directions it differs by less than a millionth; of
/// opposite ones, no arc is the shortest.
const SMALLEST_SINE: f64 = 1e-3;

/// Share of the task's change that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TaskWeight {
    /// The same for every task, in `(0, 1]`.
    Fixed(f64),
    /// By the number of the task.
    ByTask(TaskWeightName),
}

/// Weights that fall with the number of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskWeightName {
    /// `1 / t`: the mean over tasks.
    #[serde(rename = "1/t")]
    Inverse,
    /// `1 / sqrt(t)`.
    #[serde(rename = "1/sqrt(t)")]
    InverseRoot,
}

impl TaskWeight {
    /// The weight of task `task`, from 1.
    pub fn at(self, task: usize) -> f64 {
        let task = task.max(1) as f64;
        match self {
            Self::Fixed(weight) => weight,
            Self::ByTask(TaskWeightName::Inverse) => task.recip(),
            Self::ByTask(TaskWeightName::InverseRoot) => task.sqrt().recip(),
        }
    }
}

/// A rule that merges the model before a task with the model after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MergeRule {
    /// `W_start + a (W_end - W_start)`: a straight line between the models (WiSE-FT).
    Line(TaskWeight),
    /// Spherical interpolation of each parameter, as a vector (SLERP).
    Sphere(TaskWeight),
    /// The changes since the base model: trimmed to the `density` largest, with one sign elected for
    /// every number, averaged where they have that sign, and scaled (TIES).
    Ties {
        /// Share of the numbers of a change that are kept, in `(0, 1]`.
        density: f64,
        /// Factor of the merged change, above 0.
        scale: f64,
    },
    /// Of the task's change of every matrix, the singular values above those of noise (DG-Hard).
    HardThreshold,
}

impl MergeRule {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        let share = |name: &'static str, value: f64| {
            let valid = value > 0.0 && value <= 1.0;
            (name, value, valid, "above 0, at most 1")
        };
        let checks = match *self {
            Self::Line(weight) | Self::Sphere(weight) => vec![share("weight", weight.at(1))],
            Self::Ties { density, scale } => {
                let valid = scale > 0.0 && scale.is_finite();
                let scale = ("scale", scale, valid, "above 0 and finite");
                vec![share("density", density), scale]
            }
            Self::HardThreshold => Vec::new(),
        };
        match checks.into_iter().find(|check| !check.2) {
            None => Ok(()),
            Some((name, found, _, expected)) => Err(ContinualError::InvalidSetting {
                name,
                found: found.to_string(),
                expected,
            }),
        }
    }

    /// Whether it compares with the model that the sequence started from.
    pub(super) fn reads_base(&self) -> bool {
        matches!(self, Self::Ties { .. })
    }

    /// Merges the values of one parameter after `tasks` tasks.
    ///
    /// # Shapes
    /// - `start`, `end`, output: `[numbers]`
    pub(super) fn merged(&self, start: Tensor<1>, end: Tensor<1>, tasks: usize) -> Tensor<1> {
        match self {
            Self::Line(weight) => line(start, end, weight.at(tasks)),
            Self::Sphere(weight) => sphere(start, end, weight.at(tasks)),
            // What these do with one parameter depends on others, or can fail.
            Self::Ties { .. } | Self::HardThreshold => end,
        }
    }
}

/// `start + weight (end - start)`.
pub(super) fn line(start: Tensor<1>, end: Tensor<1>, weight: f64) -> Tensor<1> {
    // At both ends, the model is that model to the last bit.
    match weight {
        0.0 => start,
        1.0 => end,
        _ => start.clone() + (end - start) * weight,
    }
}

/// `sin((1-a) φ)/sin φ · start + sin(a φ)/sin φ · end`, `φ` being the angle between the vectors.
fn sphere(start: Tensor<1>, end: Tensor<1>, weight: f64) -> Tensor<1> {
    let values =
        |tensor: &Tensor<1>| -> Vec<f64> { tensor.clone().into_data().iter::<f64>().collect() };
    let (a, b) = (values(&start), values(&end));
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let lengths = (dot(&a, &a) * dot(&b, &b)).sqrt();
    let cosine = (dot(&a, &b) / lengths).clamp(-1.0, 1.0);
    let angle = cosine.acos();
    let sine = angle.sin();
    if lengths == 0.0 || sine < SMALLEST_SINE {
        return line(start, end, weight);
    }
    let of_start = ((1.0 - weight) * angle).sin() / sine;
    let of_end = (weight * angle).sin() / sine;
    start * of_start + end * of_end
}
