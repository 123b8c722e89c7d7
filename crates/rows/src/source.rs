//! A data file and its weight, as they are typed.

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::RowsError;

/// Largest weight: a row that is repeated more often is a mistake.
const MOST: f64 = 1000.0;

/// A data file with the weight of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// How often each row is used per epoch, above 0: 2 uses every row twice, 0.5 every second row.
    pub weight: f64,
}

impl FromStr for Source {
    type Err = RowsError;

    /// Reads `FILE` or `FILE:WEIGHT`. A file whose own name ends with a colon and a number is taken as it is if it
    /// exists.
    fn from_str(text: &str) -> Result<Self, RowsError> {
        let whole = || Self {
            path: PathBuf::from(text),
            weight: 1.0,
        };
        let refused = |reason: String| RowsError::Source {
            text: text.to_string(),
            reason,
        };
        if text.is_empty() {
            return Err(refused("expected the name of a file".to_string()));
        }
        let Some((path, weight)) = text.rsplit_once(':') else {
            return Ok(whole());
        };
        let Ok(weight) = weight.parse::<f64>() else {
            return Ok(whole());
        };
        if PathBuf::from(text).is_file() {
            return Ok(whole());
        }
        if !(weight > 0.0 && weight <= MOST) {
            return Err(refused(format!(
                "the weight after the colon must be above 0 and at most {MOST}"
            )));
        }
        Ok(Self {
            path: PathBuf::from(path),
            weight,
        })
    }
}

impl Source {
    /// How often row `index` is used per epoch. Over all rows, `weight` times on average, evenly spread.
    pub fn repeats(&self, index: usize) -> usize {
        let up_to = |rows: usize| (rows as f64 * self.weight + 1e-9).floor() as usize;
        up_to(index + 1) - up_to(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_follows_the_last_colon() {
        let source = |text: &str| Source::from_str(text).ok();
        let of = |path: &str, weight| {
            Some(Source {
                path: PathBuf::from(path),
                weight,
            })
        };
        assert_eq!(source("a.jsonl"), of("a.jsonl", 1.0));
        assert_eq!(source("a.jsonl:2"), of("a.jsonl", 2.0));
        assert_eq!(source("C:/a.jsonl"), of("C:/a.jsonl", 1.0));
        assert_eq!(source("a.jsonl:0.25"), of("a.jsonl", 0.25));
        for bad in ["a.jsonl:0", "a.jsonl:-1", "a.jsonl:nan", "a.jsonl:1e9", ""] {
            assert_eq!(source(bad), None, "{bad}");
        }
    }

    #[test]
    fn rows_are_used_as_often_as_their_weight_says() {
        for (weight, expected) in [(1.0, 12), (2.0, 24), (0.5, 6), (0.25, 3), (1.5, 18)] {
            let source = Source {
                path: PathBuf::new(),
                weight,
            };
            let total: usize = (0..12).map(|row| source.repeats(row)).sum();
            assert_eq!(total, expected, "{weight}");
        }
    }
}
