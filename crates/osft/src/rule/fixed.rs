//! The same fraction of directions in every layer.

use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule, check_shares};
use crate::error::OsftError;

#[derive(Debug)]
struct Fixed(f64);

pub(super) fn kind() -> RuleKind {
    RuleKind::new(
        "fixed",
        "The same fraction of directions, from 0 to 1, in every layer.",
        Fixed,
    )
    .typed(
        &["a number from 0 to 1"],
        "a number from 0 to 1",
        |text: &str| Ok(text.parse().ok().map(Fixed)),
    )
}

impl ShareRule {
    /// The same fraction of directions, in `[0, 1]`, in every layer.
    pub fn fixed(share: f64) -> Self {
        Self::custom(Fixed(share))
    }
}

impl Rule for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn setting(&self) -> Option<Value> {
        Some(Value::Float(self.0))
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        layer.floored(self.0)
    }

    fn label(&self) -> String {
        self.0.to_string()
    }

    fn validate(&self) -> Result<(), OsftError> {
        check_shares(&[self.0])
    }

    fn needs_spectrum(&self) -> bool {
        false
    }

    fn follows_tasks(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::facts;

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
            let found = Fixed(share).protected_directions(&facts(&vec![1.0; r]));
            assert_eq!(found, expected, "share {share} of {r}");
        }
    }
}
