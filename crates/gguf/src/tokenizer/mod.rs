//! Vocabularies as files of the library `tokenizers` and of transformers.

mod byte_level;
mod merges;
mod post_processor;
mod pre_tokenizers;
mod sentence_piece;
mod settings;
mod vocabulary;

use serde_json::{Value as Json, json};

use crate::error::GgufError;
use crate::file::Gguf;
use vocabulary::{Kind, Vocabulary};

/// The files of a tokenizer in a Hugging Face folder.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerFiles {
    /// `tokenizer.json`.
    pub tokenizer: Json,
    /// `tokenizer_config.json`: names of special tokens, chat template.
    pub tokenizer_config: Json,
    /// `generation_config.json`: tokens that end a generated text.
    pub generation_config: Json,
}

impl Gguf {
    /// The files of the tokenizer.
    ///
    /// # Errors
    ///
    /// [`GgufError::Unsupported`] for a kind of vocabulary or a pre-tokenizer that is not supported,
    /// [`GgufError::Metadata`] if the vocabulary is missing or contradictory.
    ///
    /// # References
    ///
    /// `src/llama-vocab.cpp` of llama.cpp for what the metadata mean; `convert_slow_tokenizer.py` of transformers and
    /// the published `tokenizer.json` of the models for how the same is said there.
    pub fn tokenizer(&self) -> Result<TokenizerFiles, GgufError> {
        let vocabulary = Vocabulary::of(self)?;
        let (tokenizer, adds_begin) = match vocabulary.model {
            "gpt2" => byte_level::tokenizer(&vocabulary)?,
            "llama" => sentence_piece::tokenizer(&vocabulary)?,
            other => {
                let supported = "gpt2, llama";
                return Err(GgufError::unsupported(
                    self.path(),
                    "tokenizer.ggml.model",
                    other,
                    supported,
                ));
            }
        };
        let mut tokenizer = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": vocabulary.added_tokens(),
            "normalizer": tokenizer.normalizer,
            "pre_tokenizer": tokenizer.pre_tokenizer,
            "post_processor": null,
            "decoder": tokenizer.decoder,
            "model": tokenizer.model,
        });
        let adds = post_processor::Adds::take(&vocabulary, adds_begin)?;
        tokenizer["post_processor"] = adds.json(&vocabulary)?;
        Ok(TokenizerFiles {
            tokenizer,
            tokenizer_config: settings::tokenizer_config(&vocabulary, &adds)?,
            generation_config: settings::generation_config(&vocabulary)?,
        })
    }
}

/// The parts of `tokenizer.json` in which kinds of vocabularies differ.
struct Parts {
    normalizer: Json,
    pre_tokenizer: Json,
    decoder: Json,
    model: Json,
}
