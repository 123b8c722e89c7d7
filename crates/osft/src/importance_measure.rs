//! Measures of a layer's importance.

use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

/// Measure of a layer's importance, read by [`ShareRule::adaptive`](crate::ShareRule::adaptive).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportanceMeasure {
    /// Mean over tokens of `cos(x, y)`, both truncated to their first `min(d_in, d_out)` entries: neither the
    /// paper nor the authors' code defines it for layers that are not square.
    #[default]
    Cosine,
    /// Linear centered kernel alignment of inputs and outputs, for layers of any shape.
    LinearCka,
}

impl Display for ImportanceMeasure {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cosine => "cosine",
            Self::LinearCka => "linear CKA",
        })
    }
}
