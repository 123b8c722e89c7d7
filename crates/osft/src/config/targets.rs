//! Which parameters of a module are split: chosen by the kind of their layer, or by path.

use burn::module::{Module, ParamId};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::OsftError;
use crate::module::{Place, Survey};

/// Which rank-2 parameters of a module are split.
///
/// A parameter that stands at two places of a module is listed once, by its first path, and what
/// is attached to a parameter (cores, factors, adapters) is never selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Targets(Chosen);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Chosen {
    Kind(Kind),
    Patterns(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    LinearLayers,
}

impl Default for Targets {
    fn default() -> Self {
        Self::linear_layers()
    }
}

impl Targets {
    /// The weights of all linear layers but the output head: of `burn::nn::Linear`, and of other modules that
    /// are called `Linear`, since the name is what Burn tells of a layer.
    ///
    /// A head is a layer that is called `head`, `classifier`, or something that ends in `_head`.
    /// Embeddings, heads and matrices of one's own are split only where a pattern names them.
    pub fn linear_layers() -> Self {
        Self(Chosen::Kind(Kind::LinearLayers))
    }

    /// Parameters in whose path, such as `layers.0.self_attn.q_proj.weight`, *any* of these regular
    /// expressions is found. Every one must match at least one rank-2 parameter, since one that
    /// selects nothing is a misspelling.
    pub fn matching<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Self {
        Self(Chosen::Patterns(
            patterns.into_iter().map(Into::into).collect(),
        ))
    }

    /// The patterns as given; none for [`linear_layers`](Self::linear_layers).
    pub fn patterns(&self) -> &[String] {
        match &self.0 {
            Chosen::Patterns(patterns) => patterns,
            Chosen::Kind(_) => &[],
        }
    }

    /// The parameters of a module that are chosen, in its order. Neither values nor what trains is
    /// looked at: a module that was built and not filled suffices. (Of a weight that is stored transposed Burn
    /// tells the shape the other way round until it is filled.)
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::NoLinearLayer`],
    /// [`OsftError::InvalidPattern`], [`OsftError::NoPattern`].
    pub fn selected<M: Module>(&self, module: &M) -> Result<Vec<SelectedTarget>, OsftError> {
        let places = self.places(&Survey::of(module))?;
        Ok(places.into_iter().map(SelectedTarget::from).collect())
    }

    pub(crate) fn places(&self, survey: &Survey) -> Result<Vec<Place>, OsftError> {
        let matrices = survey.matrices.iter();
        let available = || survey.matrices.iter().map(|m| m.path.clone()).collect();
        let chosen: Vec<Place> = match &self.0 {
            Chosen::Kind(Kind::LinearLayers) => matrices
                .filter(|place| place.in_linear && !is_head(&place.path))
                .cloned()
                .collect(),
            Chosen::Patterns(patterns) => {
                let patterns = compiled(patterns)?;
                for (pattern, regex) in &patterns {
                    if !matrices.clone().any(|place| regex.is_match(&place.path)) {
                        return Err(OsftError::NoTarget {
                            pattern: (*pattern).to_string(),
                            available: available(),
                        });
                    }
                }
                let is_chosen = |place: &&Place| {
                    let mut patterns = patterns.iter();
                    patterns.any(|(_, regex)| regex.is_match(&place.path))
                };
                matrices.filter(is_chosen).cloned().collect()
            }
        };
        match chosen.is_empty() {
            true => Err(OsftError::NoLinearLayer {
                available: available(),
            }),
            false => Ok(chosen),
        }
    }

    /// Checks that every pattern is a regular expression and that there is one.
    pub(crate) fn validate(&self) -> Result<(), OsftError> {
        match &self.0 {
            Chosen::Kind(_) => Ok(()),
            Chosen::Patterns(patterns) => compiled(patterns).map(|_| ()),
        }
    }
}

/// Whether a layer is an output head, by its own name: that before `weight`.
fn is_head(path: &str) -> bool {
    let name = path.rsplit('.').nth(1).unwrap_or_default();
    matches!(name, "head" | "classifier") || name.ends_with("_head")
}

fn compiled(patterns: &[String]) -> Result<Vec<(&str, Regex)>, OsftError> {
    if patterns.is_empty() {
        return Err(OsftError::NoPattern);
    }
    let patterns = patterns.iter();
    patterns
        .map(|pattern| Ok((pattern.as_str(), expression(pattern)?)))
        .collect()
}

pub(crate) fn expression(pattern: &str) -> Result<Regex, OsftError> {
    Regex::new(pattern).map_err(|error| OsftError::InvalidPattern {
        pattern: pattern.to_string(),
        reason: error.to_string(),
    })
}

/// A parameter that was selected.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedTarget {
    /// Its path in the module; the first one where it stands at several.
    pub path: String,
    /// Its identity.
    pub id: ParamId,
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
}

impl From<Place> for SelectedTarget {
    fn from(place: Place) -> Self {
        Self {
            path: place.path,
            id: place.id,
            shape: place.shape,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_known_by_its_own_name() {
        for path in ["head.weight", "lm_head.weight", "model.classifier.weight"] {
            assert!(is_head(path), "{path}");
        }
        for path in [
            "weight",
            "multi_head.query.weight",
            "heads.0.weight",
            "head.first.weight",
        ] {
            assert!(!is_head(path), "{path}");
        }
    }
}
