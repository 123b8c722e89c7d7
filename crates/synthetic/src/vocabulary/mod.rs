//! Tokenizers trained on the documents that a base model is pre-trained on.

use thiserror::Error;

pub mod byte_level;
pub mod sentence_pieces;

/// The tokenizer library cannot train a vocabulary.
#[derive(Debug, Error)]
#[error("cannot train a vocabulary of {size} tokens: {reason}")]
pub struct VocabularyError {
    size: usize,
    reason: String,
}

impl VocabularyError {
    fn of<E: std::fmt::Display>(size: usize) -> impl Fn(E) -> Self {
        move |error| Self {
            size,
            reason: error.to_string(),
        }
    }
}
