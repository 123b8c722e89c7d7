//! Rows of tokens in a saved state.

use lm::Example;
use serde::{Deserialize, Serialize};

/// An [`Example`] in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRow {
    prompt: Vec<u32>,
    answer: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    loss_mask: Vec<bool>,
}

impl From<&Example> for SavedRow {
    fn from(row: &Example) -> Self {
        let Example {
            prompt,
            answer,
            loss_mask,
        } = row.clone();
        Self {
            prompt,
            answer,
            loss_mask,
        }
    }
}

impl SavedRow {
    /// The row, if a model with a vocabulary of so many tokens can read it. Without a number, tokens are not checked.
    ///
    /// # Errors
    ///
    /// What is wrong with the row, as a clause.
    pub(super) fn checked(self, vocabulary: Option<usize>) -> Result<Example, String> {
        let Self {
            prompt,
            answer,
            loss_mask,
        } = self;
        if !loss_mask.is_empty() && loss_mask.len() != answer.len() {
            return Err(format!(
                "a row has an answer of {} tokens and a mask of {}",
                answer.len(),
                loss_mask.len()
            ));
        }
        let tokens = vocabulary.unwrap_or(usize::MAX);
        let unknown = prompt
            .iter()
            .chain(&answer)
            .find(|&&token| token as usize >= tokens);
        if let Some(token) = unknown {
            return Err(format!(
                "a row has token {token}, and the model's vocabulary has {tokens} tokens"
            ));
        }
        Ok(Example {
            prompt,
            answer,
            loss_mask,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_row_survives_and_a_damaged_one_is_refused() {
        let rows = [
            Example::new(vec![3, 1], vec![4, 0]),
            Example::masked(vec![2, 7, 1, 8], &[false, true, false, true]),
            Example::new(Vec::new(), vec![9]),
        ];
        for row in &rows {
            let json = serde_json::to_string(&SavedRow::from(row)).unwrap();
            let read: SavedRow = serde_json::from_str(&json).unwrap();
            assert_eq!(read.clone().checked(None).unwrap(), *row);
            assert_eq!(read.checked(Some(10)).unwrap(), *row);
        }
        let error = SavedRow::from(&rows[2]).checked(Some(9)).unwrap_err();
        assert!(error.contains("token 9"), "{error}");
        let json = r#"{"prompt": [1], "answer": [2, 3], "loss_mask": [true]}"#;
        let read: SavedRow = serde_json::from_str(json).unwrap();
        let error = read.checked(None).unwrap_err();
        assert!(error.contains("a mask of 1"), "{error}");
    }
}
