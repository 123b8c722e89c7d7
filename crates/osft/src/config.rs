//! What to split, and how much of it to protect.

use serde::{Deserialize, Serialize};

use crate::{OsftError, TargetPatterns};

/// How a layer's protected share is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProtectedShare {
    /// The same fraction of directions, in `[0, 1]`, in every layer.
    Fixed(f64),
}

impl ProtectedShare {
    /// Number of protected directions of a weight whose smaller dimension is `r`.
    ///
    /// `floor(share · r + 1e-6)`: the small term keeps a share such as `0.7 · 10`, which is
    /// `6.999…` in binary, from losing a direction.
    ///
    /// # Errors
    ///
    /// [`OsftError::ShareOutOfRange`] unless the share is in `[0, 1]`.
    pub fn protected_directions(&self, r: usize) -> Result<usize, OsftError> {
        let Self::Fixed(share) = *self;
        if !(0.0..=1.0).contains(&share) {
            return Err(OsftError::ShareOutOfRange { share });
        }
        Ok(((share * r as f64 + 1e-6).floor() as usize).min(r))
    }
}

/// Configuration of a split.
///
/// The default protects half of the directions of every rank-2 parameter whose path ends in
/// `weight`, as PEFT and mini_trainer do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsftConfig {
    /// Which parameters are split.
    pub targets: TargetPatterns,
    /// Fraction of each target's directions that is frozen.
    pub protected_share: ProtectedShare,
}

impl Default for OsftConfig {
    fn default() -> Self {
        Self {
            targets: TargetPatterns::new(["weight$"]),
            protected_share: ProtectedShare::Fixed(0.5),
        }
    }
}

impl OsftConfig {
    /// The default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Splits the parameters whose path matches one of these regular expressions.
    pub fn with_targets<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.targets = TargetPatterns::new(patterns);
        self
    }

    /// Protects the same fraction of directions, in `[0, 1]`, in every layer.
    pub fn with_protected_share(mut self, share: f64) -> Self {
        self.protected_share = ProtectedShare::Fixed(share);
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_floored_without_losing_a_direction_to_binary_rounding() {
        let cases = [
            (0.0, 10, 0),
            (0.7, 10, 7),
            (0.8, 576, 460),
            (0.5, 1, 0),
            (1.0, 7, 7),
        ];
        for (share, r, expected) in cases {
            let found = ProtectedShare::Fixed(share)
                .protected_directions(r)
                .unwrap();
            assert_eq!(found, expected, "share {share} of {r}");
        }
    }

    #[test]
    fn shares_outside_the_unit_interval_are_errors() {
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                ProtectedShare::Fixed(share).protected_directions(4),
                Err(OsftError::ShareOutOfRange { .. })
            ));
        }
    }
}
