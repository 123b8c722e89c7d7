//! Tokenizers trained on the documents that a base model is pre-trained on.

pub mod byte_level;
pub mod sentence_pieces;
