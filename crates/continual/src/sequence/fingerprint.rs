//! Which rows a run is over.

use burn::data::dataset::Dataset;
use lm::Example;
use sha2::{Digest, Sha256};

use crate::error::ContinualError;
use crate::protocol::{EvaluationSet, Task, read_row};

/// A hash of everything a sequence reads: every task's name, epochs, rows and questions in their
/// order, how long answers may be, and the questions that probe general knowledge.
///
/// Runs over the same rows have the same hash, in hexadecimal digits. How answers are scored is not
/// part of it: a scorer has no name here.
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

/// Everything is hashed with its length in front, so that nothing can move from one field to the
/// next.
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

    /// One row at a time: a copy of all of them would be made for nothing.
    fn rows(&mut self, rows: &dyn Dataset<Example>) -> Result<(), ContinualError> {
        self.number(rows.len());
        for row in 0..rows.len() {
            let example = read_row(rows, row)?;
            self.tokens(&example.prompt);
            self.tokens(&example.answer);
        }
        Ok(())
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

    /// What a run reads, to be changed in one place.
    #[derive(Clone)]
    struct Read {
        name: String,
        epochs: usize,
        train: Vec<Example>,
        validation: Option<Vec<Example>>,
        questions: EvaluationSet,
        general: Option<EvaluationSet>,
    }

    fn example(prompt: &[u32], answer: &[u32]) -> Example {
        Example {
            prompt: prompt.to_vec(),
            answer: answer.to_vec(),
        }
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

    fn hash(read: &Read) -> String {
        let data = |rows: &[Example]| Arc::new(InMemDataset::new(rows.to_vec()));
        let task = Task {
            name: read.name.clone(),
            train: data(&read.train),
            validation: read.validation.as_ref().map(|rows| data(rows) as _),
            evaluation: read.questions.clone(),
            epochs: read.epochs,
        };
        rows_fingerprint(&[task], read.general.as_ref()).unwrap()
    }

    #[test]
    fn every_change_of_what_is_read_changes_the_hash() {
        let read = Read {
            name: "task".to_string(),
            epochs: 2,
            train: vec![example(&[1, 2], &[3]), example(&[7], &[8, 9])],
            validation: None,
            questions: set("p"),
            general: None,
        };
        type Change = fn(&mut Read);
        let changes: [Change; 13] = [
            |read| read.name.push('2'),
            |read| read.epochs = 3,
            |read| read.train.reverse(),
            |read| read.train[0] = example(&[1], &[2, 3]),
            |read| read.train[1].answer[0] = 7,
            |read| read.validation = Some(vec![example(&[1, 2], &[3])]),
            |read| read.questions.max_new_tokens = 7,
            |read| read.questions.questions[0].prompt.push(' '),
            |read| read.questions.questions[0].tokens = vec![5, 4],
            |read| read.questions.questions[0].reference = "s".to_string(),
            |read| read.questions.questions.clear(),
            |read| read.general = Some(set("p")),
            |read| read.general = Some(set("q")),
        ];
        let mut hashes = vec![hash(&read)];
        assert_eq!(hashes[0], hash(&read.clone()));
        assert_eq!(hashes[0].len(), 64);
        for change in changes {
            let mut other = read.clone();
            change(&mut other);
            hashes.push(hash(&other));
        }
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
