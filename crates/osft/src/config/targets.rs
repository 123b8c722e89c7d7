//! Selection of the parameters that are split: by the kind of their layer, by path, or by one of Burn's
//! parameter groups.

use burn::module::{Module, ParamGroup, ParamId};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::error::OsftError;
use crate::module::{Place, Survey};

/// Which rank-2 parameters of a module are split.
///
/// A parameter that several places of a module share is listed once, with its first path. Attachments of a
/// parameter (cores, factors, adapters) are never selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Targets(Chosen);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Chosen {
    Kind(Kind),
    Patterns(Vec<String>),
    Group(Group),
}

/// A parameter group, which Burn does not compare.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Group(ParamGroup);

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        let written = |group: &Self| serde_json::to_value(&group.0).ok();
        written(self).is_some_and(|own| Some(own) == written(other))
    }
}

impl Eq for Group {}

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
    /// The weights of all linear layers except output heads. A linear layer is a `burn::nn::Linear` or any
    /// other module with the type name `Linear`, since Burn only reports the name of a layer's type.
    ///
    /// An output head is a layer with the name `head` or `classifier`, or a name that ends in `_head`.
    /// Embeddings, output heads and other matrices are only split if a pattern or a group chooses them.
    pub fn linear_layers() -> Self {
        Self(Chosen::Kind(Kind::LinearLayers))
    }

    /// Parameters whose path, such as `layers.0.self_attn.q_proj.weight`, contains a match of *any* of these
    /// regular expressions. Every expression must match at least one rank-2 parameter; one that matches
    /// nothing is probably misspelled.
    pub fn matching<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Self {
        Self(Chosen::Patterns(
            patterns.into_iter().map(Into::into).collect(),
        ))
    }

    /// The rank-2 parameters of one of Burn's parameter groups. Parameters of other ranks are ignored, so a
    /// group may be a whole part of a module, such as `ParamGroup::ids_from_module(model.encoder.clone())`.
    /// Embeddings and output heads in the group are split too, unless the group excludes them.
    ///
    /// A group of identities fits the module that it was made from. In another process, where the module has
    /// other identities, it selects nothing, and a [`SplitCache`](crate::SplitCache) finds none of its splits; use
    /// a group of paths there.
    pub fn group(group: ParamGroup) -> Self {
        Self(Chosen::Group(Group(group)))
    }

    /// The patterns as given; none if the targets were not chosen by [`matching`](Self::matching).
    pub fn patterns(&self) -> &[String] {
        match &self.0 {
            Chosen::Patterns(patterns) => patterns,
            Chosen::Kind(_) | Chosen::Group(_) => &[],
        }
    }

    /// The selected parameters of a module, in the module's order. Neither values nor `require_grad` are
    /// read, so an uninitialized module suffices. (Burn reports the shape of a weight that is stored
    /// transposed the other way round until the weight is initialized.)
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::NoTargetInGroup`] if a group holds
    /// no rank-2 parameter, [`OsftError::NoLinearLayer`] if the module has no linear layer to split,
    /// [`OsftError::InvalidPattern`] for a pattern that is not a regular expression,
    /// [`OsftError::NoPattern`] for an empty list of patterns.
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
            Chosen::Group(Group(group)) => {
                let holds = |place: &Place, path: &String| group.matches(&place.id, Some(path));
                let is_chosen = |place: &&Place| {
                    holds(place, &place.path) || place.also.iter().any(|also| holds(place, also))
                };
                let chosen: Vec<Place> = matrices.filter(is_chosen).cloned().collect();
                if chosen.is_empty() {
                    return Err(OsftError::NoTargetInGroup {
                        available: available(),
                    });
                }
                chosen
            }
        };
        match chosen.is_empty() {
            true => Err(OsftError::NoLinearLayer {
                available: available(),
            }),
            false => Ok(chosen),
        }
    }

    /// Checks that there is a pattern and that every pattern is a regular expression.
    pub(crate) fn validate(&self) -> Result<(), OsftError> {
        match &self.0 {
            Chosen::Kind(_) | Chosen::Group(_) => Ok(()),
            Chosen::Patterns(patterns) => compiled(patterns).map(|_| ()),
        }
    }
}

impl From<ParamGroup> for Targets {
    fn from(group: ParamGroup) -> Self {
        Self::group(group)
    }
}

/// Whether a layer is an output head, judged by its own name: the path segment before `weight`.
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

/// A selected parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedTarget {
    /// Path in the module; the first path of a shared parameter.
    pub path: String,
    /// Identity of the parameter.
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
    fn output_heads_are_recognized_by_the_name_of_their_layer() {
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
