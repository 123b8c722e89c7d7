//! Text to tokens and back.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tokenizers::Tokenizer;

use super::example::Example;
use super::frame::Frame;
use super::span_corruption::span_corruption;
use crate::error::LmError;
use crate::files::json_bytes;

/// How a prompt and an answer become the tokens of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One text, prompt followed by answer: for decoder-only models.
    Continuation,
    /// Two texts, each with its own frame: for encoder-decoder models.
    TextToText,
}

/// A tokenizer from `tokenizer.json`, together with the model's special tokens.
///
/// `tokenizer.json` alone decides which tokens are added around a text, as in transformers 5: if its
/// post-processor adds no begin-of-text token, there is none, whatever `add_bos_token` of
/// `tokenizer_config.json` says.
///
/// Several threads may use one tokenizer at the same time, and clones share its vocabulary.
#[derive(Clone)]
pub struct TextTokenizer {
    tokenizer: Arc<Tokenizer>,
    /// Never empty: the first token ends an answer.
    stop_tokens: Vec<u32>,
    framing: Framing,
    frame: Frame,
    /// The frame of prompts and answers: without a suffix for continuations.
    frame_of_parts: Frame,
    warnings: Vec<String>,
    /// Number of the model's embeddings, if some added tokens have none.
    embeddings: Option<u64>,
}

impl TextTokenizer {
    /// Reads a tokenizer. `stop_tokens` end a generated text; the first of them is appended to answers.
    ///
    /// # Errors
    ///
    /// [`LmError::Io`], [`LmError::GitLfsPointer`], [`LmError::Json`] or [`LmError::Tokenizer`] if the file
    /// is missing or not a tokenizer; [`LmError::Tokenizer`] if `stop_tokens` is empty or the tokenizer lacks
    /// its first token.
    pub fn open(path: &Path, stop_tokens: Vec<u32>, framing: Framing) -> Result<Self, LmError> {
        Self::assemble(read(path)?, stop_tokens, framing)
    }

    /// As [`open`](Self::open), for a tokenizer that is already loaded.
    pub(crate) fn assemble(
        tokenizer: Tokenizer,
        stop_tokens: Vec<u32>,
        framing: Framing,
    ) -> Result<Self, LmError> {
        let Some(&end) = stop_tokens.first() else {
            return Err(LmError::Tokenizer {
                reason: "no token is named that ends an answer".to_string(),
            });
        };
        if tokenizer.id_to_token(end).is_none() {
            return Err(LmError::Tokenizer {
                reason: format!("token {end}, which ends an answer, is not in tokenizer.json"),
            });
        }
        let frame = Frame::of(&tokenizer)?;
        let mut frame_of_parts = frame.clone();
        if framing == Framing::Continuation {
            frame_of_parts.suffix.clear();
        }
        Ok(Self {
            tokenizer: Arc::new(tokenizer),
            stop_tokens,
            framing,
            frame,
            frame_of_parts,
            warnings: Vec::new(),
            embeddings: None,
        })
    }

    /// Refuses texts with tokens that have none of so many embeddings.
    pub(crate) fn with_embeddings(mut self, embeddings: u64) -> Self {
        self.embeddings = Some(embeddings);
        self
    }

    /// # Errors
    ///
    /// [`LmError::Tokenizer`] for the first token without an embedding.
    fn embedded(&self, ids: &[u32]) -> Result<Vec<u32>, LmError> {
        let beyond = |id: &&u32| self.embeddings.is_some_and(|all| u64::from(**id) >= all);
        match ids.iter().find(beyond) {
            None => Ok(ids.to_vec()),
            Some(&id) => Err(LmError::Tokenizer {
                reason: format!(
                    "the text has the token {:?} ({id}), for which the model has no embedding",
                    self.tokenizer.id_to_token(id).unwrap_or_default()
                ),
            }),
        }
    }

    /// Adds warnings about the tokenizer's folder.
    pub(crate) fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Warnings about the tokenizer's folder, as sentences; empty for most folders.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Number of tokens in the vocabulary, including special ones.
    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Id of the token that ends an answer: it is appended to answers and learned.
    pub fn end_token(&self) -> u32 {
        self.stop_tokens[0]
    }

    /// Ids of all tokens that end a generated text, beginning with the [`end_token`](Self::end_token).
    pub fn stop_tokens(&self) -> &[u32] {
        &self.stop_tokens
    }

    /// How a prompt and an answer become the tokens of an example.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The frame of a whole text.
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The frame of a prompt, and of an answer if it is a separate text.
    pub(crate) fn frame_of_parts(&self) -> &Frame {
        &self.frame_of_parts
    }

    /// Token ids of a text. With `special`, they include the frame of a whole text (for LLaMA a begin-of-text
    /// token in front, for SmolLM2 nothing).
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded, or has a token without an embedding.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, LmError> {
        match self.tokenizer.encode_fast(text, special) {
            Ok(encoding) => self.embedded(encoding.get_ids()),
            Err(error) => Err(LmError::Tokenizer {
                reason: error.to_string(),
            }),
        }
    }

    /// Token ids of a text without a frame, each with the characters that it stands for.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded.
    pub(crate) fn encode_with_spans(
        &self,
        text: &str,
    ) -> Result<(Vec<u32>, Vec<Range<usize>>), LmError> {
        match self.tokenizer.encode_char_offsets(text, false) {
            Ok(encoding) => {
                let spans = encoding.get_offsets().iter();
                let spans = spans.map(|&(start, end)| start..end);
                Ok((self.embedded(encoding.get_ids())?, spans.collect()))
            }
            Err(error) => Err(LmError::Tokenizer {
                reason: error.to_string(),
            }),
        }
    }

    /// Decodes tokens to text, without special tokens if `skip_special`.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the tokens cannot be decoded.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, LmError> {
        self.tokenizer
            .decode(ids, skip_special)
            .map_err(|error| LmError::Tokenizer {
                reason: error.to_string(),
            })
    }

    /// An example for training on plain text, made of the first `max_length` tokens. With
    /// [`Framing::Continuation`], all of them are predicted, one after the other. With
    /// [`Framing::TextToText`], the tokens of corrupted spans are predicted, which `seed` chooses.
    ///
    /// If the tokenizer has no sentinels (`<extra_id_0>`, …), the second half of the text is the answer to
    /// the first.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded.
    pub fn text(&self, text: &str, max_length: usize, seed: u64) -> Result<Example, LmError> {
        if self.framing == Framing::Continuation {
            let mut answer = self.encode(text, true)?;
            answer.truncate(max_length);
            let prompt = Vec::new();
            return Ok(Example::new(prompt, answer));
        }
        let mut ids = self.encode(text, false)?;
        ids.truncate(max_length.saturating_sub(self.frame.len()).max(1));
        let sentinels = self.sentinels();
        let Example { prompt, answer, .. } = match sentinels.is_empty() {
            false => span_corruption(&ids, &sentinels, seed),
            true => {
                let answer = ids.split_off(ids.len() / 2);
                Example::new(ids, answer)
            }
        };
        Ok(Example::new(
            self.frame.around(&prompt),
            self.frame.around(&answer),
        ))
    }

    /// Ids of the sentinels, which replace spans, in order.
    fn sentinels(&self) -> Vec<u32> {
        (0..)
            .map_while(|n| self.tokenizer.token_to_id(&format!("<extra_id_{n}>")))
            .collect()
    }
}

/// Reads a `tokenizer.json`, without its padding and truncation: those settings are for other tools, and this
/// crate limits lengths row by row.
pub(crate) fn read(path: &Path) -> Result<Tokenizer, LmError> {
    let refused = |error| LmError::Tokenizer {
        reason: format!("cannot read {}: {error}", path.display()),
    };
    let mut tokenizer = Tokenizer::from_bytes(json_bytes(path)?).map_err(refused)?;
    tokenizer.with_padding(None);
    tokenizer
        .with_truncation(None)
        .map_err(|error| LmError::Tokenizer {
            reason: error.to_string(),
        })?;
    Ok(tokenizer)
}
