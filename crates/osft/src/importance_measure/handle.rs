//! The name of a measure in configurations and files.

use std::fmt::{Debug, Display, Formatter};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cosine::Cosine;
use super::energy::Energy;
use super::fisher_trace::FisherTrace;
use super::linear_cka::LinearCka;
use super::{Importance, LayerMeasurements, Reads};

/// A measure of a layer's importance in a configuration, read by
/// [`ShareRule::adaptive`](crate::ShareRule::adaptive). Two are equal if their names are.
#[derive(Clone, Copy)]
pub struct ImportanceMeasure(&'static dyn Importance);

// Named like the variants that they were first.
#[allow(non_upper_case_globals)]
impl ImportanceMeasure {
    /// Mean over tokens of `cos(x, y)`, both truncated to their first `min(d_in, d_out)` entries: neither the
    /// paper nor the authors' code defines it for layers that are not square.
    pub const Cosine: Self = Self(&Cosine);

    /// Linear centered kernel alignment of inputs and outputs, for layers of any shape.
    pub const LinearCka: Self = Self(&LinearCka);

    /// The mean squared input, `E‖x‖² / d_in`.
    pub const Energy: Self = Self(&Energy);

    /// The trace of the empirical Fisher matrix per weight, `E‖∂L/∂W‖_F² / (d_in d_out)` over rows, `L` being
    /// the summed loss of a row. It needs a backward pass for every calibration row.
    pub const FisherTrace: Self = Self(&FisherTrace);

    /// The measures of this crate: one line for each.
    pub const ALL: [Self; 4] = [
        Self::Cosine,
        Self::LinearCka,
        Self::Energy,
        Self::FisherTrace,
    ];

    /// A measure from outside this crate. Settings and files name those of this crate only.
    pub const fn custom(measure: &'static dyn Importance) -> Self {
        Self(measure)
    }

    /// Name in settings and files.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the measure needs.
    pub fn reads(self) -> Reads {
        self.0.reads()
    }

    pub(crate) fn score(self, layer: &LayerMeasurements) -> f64 {
        self.0.score(layer)
    }

    pub(crate) fn noise(self) -> f64 {
        self.0.noise()
    }

    /// The measure of this crate with a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

impl Default for ImportanceMeasure {
    fn default() -> Self {
        Self::Cosine
    }
}

impl PartialEq for ImportanceMeasure {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for ImportanceMeasure {}

impl Debug for ImportanceMeasure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Debug::fmt(self.0, f)
    }
}

impl Display for ImportanceMeasure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.label())
    }
}

/// Written like a variant of an enum, which it was when the first splits were saved.
impl Serialize for ImportanceMeasure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ImportanceMeasure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| {
            let names = Self::ALL.map(|measure| format!("`{}`", measure.name()));
            serde::de::Error::custom(format!(
                "unknown measure of importance `{name}`, expected one of {}",
                names.join(", ")
            ))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_read_by_the_name_that_it_is_written_with() {
        let names = ["cosine", "linear_cka", "energy", "fisher_trace"];
        for (measure, name) in ImportanceMeasure::ALL.into_iter().zip(names) {
            let json = serde_json::to_string(&measure).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(
                serde_json::from_str::<ImportanceMeasure>(&json).unwrap(),
                measure
            );
        }
        let error = serde_json::from_str::<ImportanceMeasure>("\"size\"").unwrap_err();
        assert!(error.to_string().contains("`fisher_trace`"), "{error}");
    }

    #[test]
    fn scores_follow_their_definition() {
        let layer = LayerMeasurements {
            shape: [4, 5],
            input_energy: 8.0,
            mean_cosine: -0.25,
            linear_cka: 0.5,
            squared_gradient: 40.0,
        };
        let scores = ImportanceMeasure::ALL.map(|measure| measure.score(&layer));
        assert_eq!(scores, [-0.25, 0.5, 2.0, 2.0]);
    }
}
