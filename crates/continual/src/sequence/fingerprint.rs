//! A hash of the rows of a run.

use burn::data::dataset::Dataset;
use lm::Example;
use sha2::{Digest, Sha256};

use crate::error::ContinualError;
use crate::protocol::{EvaluationSet, Task, each_row};

/// Hashes everything that a sequence reads: the name, epochs, rows and questions of every task in
/// order, the maximum length of answers, and the questions that probe general knowledge.
///
/// Runs over the same rows have the same hash, in hexadecimal digits. Scorers are not part of it,
/// because they have no names in this crate.
///
/// # Errors
///
/// [`ContinualError::Row`] for a row that cannot be read.
pub fn rows_fingerprint(
    tasks: &[Task],
    general: Option<&EvaluationSet>,
) -> Result<String, ContinualError> {
    let mut hash = RowsHash(Sha256::new());
    for task in tasks {
        hash.text(&task.name);
        hash.number(task.epochs);
        hash.rows(task.train.as_ref())?;
        match &task.validation {
            Some(rows) => hash.rows(rows.as_ref())?,
            None => hash.number(0),
        }
        hash.questions(&task.evaluation);
    }
    if let Some(general) = general {
        hash.questions(general);
    }
    let digest = hash.0.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Hashes every value with its length first, so that no content can move between neighbouring
/// fields unnoticed.
struct RowsHash(Sha256);

impl RowsHash {
    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text.as_bytes());
    }

    fn tokens(&mut self, tokens: &[u32]) {
        self.number(tokens.len());
        for token in tokens {
            self.0.update(token.to_le_bytes());
        }
    }

    fn rows(&mut self, rows: &dyn Dataset<Example>) -> Result<(), ContinualError> {
        self.number(rows.len());
        each_row(rows, |row| {
            self.tokens(&row.prompt);
            self.tokens(&row.answer);
            // Rows whose whole answer counts keep the hash that they had before there was a mask.
            if !row.loss_mask.is_empty() {
                self.number(row.loss_mask.len());
                let mask: Vec<u8> = row
                    .loss_mask
                    .iter()
                    .map(|&counts| u8::from(counts))
                    .collect();
                self.0.update(mask);
            }
        })
    }

    fn questions(&mut self, set: &EvaluationSet) {
        self.number(set.max_new_tokens);
        self.number(set.questions.len());
        for question in &set.questions {
            self.text(&question.prompt);
            self.tokens(&question.tokens);
            self.text(&question.reference);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use burn::data::dataset::InMemDataset;

    use super::*;
    use crate::protocol::{Question, Unscored};

    /// Everything that a run reads, in one place to change.
    #[derive(Clone)]
    struct RunData {
        name: String,
        epochs: usize,
        train: Vec<Example>,
        validation: Option<Vec<Example>>,
        questions: EvaluationSet,
        general: Option<EvaluationSet>,
    }

    fn example(prompt: &[u32], answer: &[u32]) -> Example {
        Example::new(prompt.to_vec(), answer.to_vec())
    }

    fn set(prompt: &str) -> EvaluationSet {
        EvaluationSet {
            questions: vec![Question {
                prompt: prompt.to_string(),
                tokens: vec![4, 5],
                reference: "r".to_string(),
            }],
            scorer: Arc::new(Unscored),
            max_new_tokens: 6,
        }
    }

    fn hash(data: &RunData) -> String {
        let dataset = |rows: &[Example]| Arc::new(InMemDataset::new(rows.to_vec()));
        let task = Task {
            name: data.name.clone(),
            train: dataset(&data.train),
            validation: data.validation.as_ref().map(|rows| dataset(rows) as _),
            evaluation: data.questions.clone(),
            epochs: data.epochs,
        };
        rows_fingerprint(&[task], data.general.as_ref()).unwrap()
    }

    #[test]
    fn every_change_of_the_data_changes_the_hash() {
        let data = RunData {
            name: "task".to_string(),
            epochs: 2,
            train: vec![example(&[1, 2], &[3]), example(&[7], &[8, 9])],
            validation: None,
            questions: set("p"),
            general: None,
        };
        type Change = fn(&mut RunData);
        let changes: [Change; 14] = [
            |data| data.name.push('2'),
            |data| data.epochs = 3,
            |data| data.train.reverse(),
            |data| data.train[0] = example(&[1], &[2, 3]),
            |data| data.train[1].answer[0] = 7,
            |data| data.train[1].loss_mask = vec![true, false],
            |data| data.validation = Some(vec![example(&[1, 2], &[3])]),
            |data| data.questions.max_new_tokens = 7,
            |data| data.questions.questions[0].prompt.push(' '),
            |data| data.questions.questions[0].tokens = vec![5, 4],
            |data| data.questions.questions[0].reference = "s".to_string(),
            |data| data.questions.questions.clear(),
            |data| data.general = Some(set("p")),
            |data| data.general = Some(set("q")),
        ];
        let mut hashes = vec![hash(&data)];
        assert_eq!(hashes[0], hash(&data.clone()));
        assert_eq!(hashes[0].len(), 64);
        for change in changes {
            let mut other = data.clone();
            change(&mut other);
            hashes.push(hash(&other));
        }
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
