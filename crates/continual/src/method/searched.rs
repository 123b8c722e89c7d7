//! Settings of a method that are worth searching, beside the learning rate.

use rand::{Rng, RngExt};
use toml::Value;

/// A setting of a method that a search of hyperparameters draws.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchedSetting {
    /// Its name below `[methods.NAME]`; a dot leads into a table.
    pub name: &'static str,
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
            name,
            range: SearchRange::Values(values.into_iter().map(Into::into).collect()),
        }
    }

    /// A positive number of unknown order of magnitude.
    pub fn logarithmic(name: &'static str, low: f64, high: f64) -> Self {
        Self {
            name,
            range: SearchRange::Logarithmic { low, high },
        }
    }
}

impl SearchRange {
    /// Draws a value; `None` from an empty list.
    pub fn draw(&self, random: &mut impl Rng) -> Option<Value> {
        match self {
            Self::Values(values) if values.is_empty() => None,
            Self::Values(values) => Some(values[random.random_range(0..values.len())].clone()),
            Self::Logarithmic { low, high } => {
                let share: f64 = random.random();
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
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_logarithmic_range_draws_every_decade_alike_and_stays_within() {
        let range = SearchedSetting::logarithmic("x", 1e-3, 1e3).range;
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut decades = [0; 6];
        for _ in 0..6000 {
            let value = range.draw(&mut random).unwrap().as_float().unwrap();
            assert!((1e-3..=1e3).contains(&value), "{value}");
            decades[((value.log10() + 3.0).floor() as usize).min(5)] += 1;
        }
        // 1000 expected in each; the standard deviation of a count is 29, and five of them are 145.
        for count in decades {
            assert!((855..=1145).contains(&count), "{decades:?}");
        }
    }

    #[test]
    fn a_list_draws_only_its_values_and_all_of_them() {
        let range = SearchedSetting::values("x", [1, 2, 3]).range;
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let drawn: Vec<i64> = (0..100)
            .map(|_| range.draw(&mut random).unwrap().as_integer().unwrap())
            .collect();
        for value in 1..=3 {
            assert!(drawn.contains(&value), "{value} is never drawn");
        }
        assert!(drawn.iter().all(|value| (1..=3).contains(value)));
        assert_eq!(SearchRange::Values(Vec::new()).draw(&mut random), None);
    }
}
