//! What the built-in base models are made of: documents, a vocabulary, a configuration, rows to train on.

mod llama;
mod t5;

use lm::{Example, TextTokenizer};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use crate::error::SyntheticError;
use crate::suite::Document;

/// Documents the vocabulary is trained on; more add nothing, since their words repeat.
const VOCABULARY_DOCUMENTS: usize = 20_000;

/// Longer than any document of the mixtures, in tokens.
const MAX_LENGTH: usize = 256;

/// Families that a base model can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFamily {
    /// Decoder-only.
    Llama,
    /// Encoder-decoder.
    T5,
}

/// Shape and data of a base model.
#[derive(Clone, Debug)]
pub struct BaseModelSettings {
    /// Family of the model.
    pub family: BaseFamily,
    /// Seed of the mixture.
    pub seed: u64,
    /// Documents at most.
    pub documents: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Documents of the user's, in place of the built-in mixture.
    pub own_documents: Option<Vec<Document>>,
}

/// A model that has no weights yet.
pub struct BaseModelSource {
    /// Files of the model's folder beside weights and tokenizer, by name.
    pub files: Vec<(&'static str, Value)>,
    /// The trained vocabulary.
    pub tokenizer: Tokenizer,
}

impl BaseModelSource {
    /// A source whose text ends with the token `end`, and whose rows are filled up with `padding`.
    fn new(
        config: Value,
        generation: Value,
        tokenizer: Tokenizer,
        [end, padding]: [&str; 2],
    ) -> Self {
        let tokenizer_config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": end,
            "pad_token": padding,
            "clean_up_tokenization_spaces": false
        });
        Self {
            files: vec![
                ("config.json", config),
                ("tokenizer_config.json", tokenizer_config),
                ("generation_config.json", generation),
            ],
            tokenizer,
        }
    }
}

impl BaseModelSettings {
    /// The documents to train on.
    pub fn gathered(&self) -> Vec<Document> {
        match (&self.own_documents, self.family) {
            (Some(own), BaseFamily::Llama) => own.iter().take(self.documents).cloned().collect(),
            (Some(own), BaseFamily::T5) => t5::documents_of(own.clone(), self),
            (None, BaseFamily::Llama) => llama::documents(self),
            (None, BaseFamily::T5) => t5::documents(self),
        }
    }

    /// Configuration and tokenizer of a model for these documents.
    ///
    /// # Errors
    ///
    /// [`SyntheticError::Vocabulary`].
    pub fn source(&self, documents: &[Document]) -> Result<BaseModelSource, SyntheticError> {
        match self.family {
            BaseFamily::Llama => llama::source(documents, self),
            BaseFamily::T5 => t5::source(documents, self),
        }
    }

    /// The documents as rows to train on.
    ///
    /// # Errors
    ///
    /// [`SyntheticError::Lm`] for a document that cannot be tokenized.
    pub fn rows(
        &self,
        documents: &[Document],
        tokenizer: &TextTokenizer,
    ) -> Result<Vec<Example>, SyntheticError> {
        match self.family {
            BaseFamily::Llama => llama::rows(documents, tokenizer),
            BaseFamily::T5 => t5::rows(documents, tokenizer),
        }
    }
}

/// Texts that a vocabulary is trained on.
fn vocabulary_texts(documents: &[Document]) -> impl Iterator<Item = String> + Send {
    documents
        .iter()
        .take(VOCABULARY_DOCUMENTS)
        .map(|document| format!("{}{}", document.prompt, document.answer))
}
