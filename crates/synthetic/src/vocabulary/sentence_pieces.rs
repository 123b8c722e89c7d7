//! Unigram pieces with T5's special tokens, for encoder-decoder models.

use tokenizers::decoders::metaspace::Metaspace;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::normalizers::{NFKC, Replace, Sequence, replace::ReplacePattern};
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::VocabularyError;

/// The token that pads rows and starts answers; its id is 0.
pub const PADDING: &str = "<pad>";
/// The token that ends a text; its id is 1.
pub const END: &str = "</s>";
const UNKNOWN: &str = "<unk>";
/// Sentinels for corrupted spans. They are the last tokens, in descending order, as in T5.
const SENTINELS: usize = 32;

/// Trains a vocabulary of about `size` tokens, sentinels included.
///
/// Like T5's tokenizer, it treats all white space as spaces.
///
/// # Errors
///
/// [`VocabularyError`] if the tokenizer library cannot train it.
pub fn train(
    documents: impl Iterator<Item = String> + Send,
    size: usize,
) -> Result<Tokenizer, VocabularyError> {
    let special = |text: &str| AddedToken::from(text, true);
    let blanks = ReplacePattern::Regex(r"\s+".to_string());
    let normalizer = Sequence::new(vec![
        NFKC.into(),
        Replace::new(blanks, " ")
            .map_err(VocabularyError::of(size))?
            .into(),
    ]);
    let metaspace = Metaspace::new('\u{2581}', PrependScheme::Always, true);
    let mut tokenizer = Tokenizer::new(Unigram::default());
    tokenizer
        .with_normalizer(Some(normalizer))
        .with_pre_tokenizer(Some(metaspace.clone()))
        .with_decoder(Some(metaspace));
    let mut trainer: TrainerWrapper = UnigramTrainer::builder()
        .vocab_size(size.saturating_sub(SENTINELS) as u32)
        .special_tokens([PADDING, END, UNKNOWN].map(special).to_vec())
        .unk_token(Some(UNKNOWN.to_string()))
        .show_progress(false)
        .build()
        .map_err(VocabularyError::of(size))?
        .into();
    tokenizer
        .train(&mut trainer, documents)
        .map_err(VocabularyError::of(size))?;
    let sentinels = (0..SENTINELS)
        .rev()
        .map(|n| special(&format!("<extra_id_{n}>")));
    tokenizer.add_special_tokens(&sentinels.collect::<Vec<_>>());
    let frame = TemplateProcessing::builder()
        .try_single(format!("$A {END}"))
        .map_err(VocabularyError::of(size))?
        .special_tokens(vec![(END, 1)])
        .build()
        .map_err(VocabularyError::of(size))?;
    tokenizer.with_post_processor(Some(frame));
    Ok(tokenizer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_encoding_and_decoding() {
        let words = [
            "the cat sat",
            "the dog ran",
            "a cat ran far",
            "dogs and cats",
        ];
        let documents = (0..200).map(|index| words[index % 4].to_string());
        let tokenizer = train(documents, 80).unwrap();
        for (id, token) in [(0, PADDING), (1, END), (2, UNKNOWN)] {
            assert_eq!(tokenizer.token_to_id(token), Some(id));
        }
        let size = tokenizer.get_vocab_size(true) as u32;
        assert_eq!(tokenizer.token_to_id("<extra_id_0>"), Some(size - 1));
        assert_eq!(tokenizer.token_to_id("<extra_id_31>"), Some(size - 32));
        let ids = tokenizer
            .encode("the  cat\nran", true)
            .unwrap()
            .get_ids()
            .to_vec();
        assert_eq!(ids.last(), Some(&1));
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), "the cat ran");
        // What was never seen is unknown, and nothing else of the text is.
        let ids = tokenizer
            .encode("cat \u{4e00}", true)
            .unwrap()
            .get_ids()
            .to_vec();
        assert_eq!(ids.iter().filter(|id| **id == 2).count(), 1);
    }
}
