//! The same number of directions in every layer.

use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule};

#[derive(Debug)]
struct Count(usize);

pub(super) fn kind() -> RuleKind {
    RuleKind::new(
        "count",
        "The same number of directions in every layer; at most as many as it has.",
        Count,
    )
    .typed(
        &["k=COUNT"],
        "`k=COUNT` directions of every layer",
        |text: &str| {
            let count = text.strip_prefix("k=").and_then(|count| count.parse().ok());
            Ok(count.map(Count))
        },
    )
}

impl ShareRule {
    /// The same number of directions in every layer. A split of a smaller layer is an
    /// [`OsftError::TooManyDirections`](crate::OsftError::TooManyDirections).
    pub fn count(directions: usize) -> Self {
        Self::custom(Count(directions))
    }
}

impl Rule for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn setting(&self) -> Option<Value> {
        // TOML has no larger integers, and no layer has that many directions.
        Some(Value::Integer(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }

    fn protected_directions(&self, _layer: &LayerFacts<'_>) -> usize {
        self.0
    }

    fn label(&self) -> String {
        format!("k={}", self.0)
    }

    fn needs_spectrum(&self) -> bool {
        false
    }

    fn follows_tasks(&self) -> bool {
        false
    }

    fn wanted_directions(&self) -> Option<usize> {
        Some(self.0)
    }
}
