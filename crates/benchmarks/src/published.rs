//! What others have published on a benchmark, with the source and what is known against it.

use serde::Deserialize;

use crate::Suite;

const TRACE: &str = include_str!("../published/trace.toml");

/// Published figures on a benchmark; none of them was measured here.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where they are from.
    pub sources: Vec<PublishedSource>,
    /// The figures.
    pub rows: Vec<PublishedRow>,
}

/// A table that was published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSource {
    /// What rows call it.
    pub key: String,
    /// Publication, table, model and scale.
    pub text: String,
    /// What is known against comparing with it.
    pub caveat: String,
}

/// The figures of one method.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedRow {
    /// Key of the source.
    pub source: String,
    /// The method as the source calls it.
    pub method: String,
    /// AA in points of 100.
    #[serde(default)]
    pub average_accuracy: Option<f64>,
    /// BWT in points of 100.
    #[serde(default)]
    pub backward_transfer: Option<f64>,
}

/// What was published on a suite, if anything is known.
pub fn published(suite: &Suite) -> Option<Published> {
    (suite.name == Suite::trace().name)
        .then(|| toml::from_str(TRACE).ok())
        .flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_source_and_every_source_its_figures() {
        let found = published(&Suite::trace()).unwrap();
        for row in &found.rows {
            assert!(found.sources.iter().any(|source| source.key == row.source));
            let accuracy = row.average_accuracy.unwrap();
            assert!((0.0..=100.0).contains(&accuracy), "{row:?}");
        }
        for source in &found.sources {
            assert!(found.rows.iter().any(|row| row.source == source.key));
            assert!(!source.caveat.is_empty());
        }
        let osft = found.rows.iter().find(|row| row.method == "OSFT").unwrap();
        assert_eq!(osft.average_accuracy, Some(48.4));
        let other = Suite {
            name: "mine".to_string(),
            ..Suite::trace()
        };
        assert_eq!(published(&other), None);
    }
}
