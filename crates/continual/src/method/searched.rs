//! Settings of a method that are worth searching, beside the learning rate.

use std::borrow::Cow;

use toml::Value;

/// A setting of a method that a search of hyperparameters draws.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchedSetting {
    /// Its name below `[methods.NAME]`; a dot leads into a table.
    pub name: Cow<'static, str>,
    /// What is drawn from.
    pub range: SearchRange,
}

/// The values that a searched setting may have.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchRange {
    /// One of these values, all equally likely.
    Values(Vec<Value>),
    /// A number between two positive ones, whose logarithm is uniformly distributed.
    Logarithmic {
        /// The smallest.
        low: f64,
        /// The largest.
        high: f64,
    },
}

impl SearchedSetting {
    /// A setting with a list of values.
    pub fn values<V: Into<Value>>(name: &'static str, values: impl IntoIterator<Item = V>) -> Self {
        Self {
            name: name.into(),
            range: SearchRange::Values(values.into_iter().map(Into::into).collect()),
        }
    }

    /// A positive number of unknown order of magnitude.
    pub fn logarithmic(name: &'static str, low: f64, high: f64) -> Self {
        Self {
            name: name.into(),
            range: SearchRange::Logarithmic { low, high },
        }
    }
}

impl SearchRange {
    /// The value at a share of the range, in `[0, 1)`: a share that is uniformly distributed gives a value that is
    /// distributed as the range says. `None` for an empty list.
    pub fn at(&self, share: f64) -> Option<Value> {
        match self {
            Self::Values(values) => {
                let index = (share * values.len() as f64) as usize;
                values.get(index).or(values.last()).cloned()
            }
            Self::Logarithmic { low, high } => {
                // Between the ends also after rounding.
                let value = (low.ln() + share * (high.ln() - low.ln())).exp();
                Some(Value::from(value.max(*low).min(*high)))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_of_a_logarithmic_range_are_equal_factors() {
        let range = SearchedSetting::logarithmic("x", 1e-3, 1e3).range;
        for (share, expected) in [
            (0.0, 1e-3),
            (0.5, 1.0),
            (0.75, 10.0_f64.powf(1.5)),
            (1.0, 1e3),
        ] {
            let value = range.at(share).unwrap().as_float().unwrap();
            // Rounding of a logarithm below 7 and of its exponential.
            assert!((value / expected - 1.0).abs() < 1e-14, "{share}: {value}");
            assert!((1e-3..=1e3).contains(&value));
        }
    }

    #[test]
    fn equal_parts_of_a_list_are_its_values() {
        let range = SearchedSetting::values("x", [1, 2, 3]).range;
        let at = |share| range.at(share).unwrap().as_integer().unwrap();
        assert_eq!(
            [0.0, 0.33, 0.34, 0.66, 0.67, 0.999].map(at),
            [1, 1, 2, 2, 3, 3]
        );
        assert_eq!(at(1.0), 3);
        assert_eq!(SearchRange::Values(Vec::new()).at(0.5), None);
    }
}
