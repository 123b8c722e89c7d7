//! Byte-level BPE, for decoder-only models.

use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::{AddedToken, Tokenizer};

use super::VocabularyError;

/// The token that ends a text and pads rows; its id is 0.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// Trains a vocabulary of `size` tokens; the same documents give the same tokens.
///
/// # Errors
///
/// [`VocabularyError`] if the tokenizer library cannot train it.
pub fn train(
    documents: impl Iterator<Item = String> + Send,
    size: usize,
) -> Result<Tokenizer, VocabularyError> {
    let byte_level = ByteLevel::new(false, true, true);
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer
        .with_pre_tokenizer(Some(byte_level))
        .with_decoder(Some(byte_level));
    let mut trainer: TrainerWrapper = BpeTrainerBuilder::new()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build()
        .into();
    tokenizer
        .train(&mut trainer, documents)
        .map_err(VocabularyError::of(size))?;
    Ok(tokenizer)
}
