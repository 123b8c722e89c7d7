//! Text to tokens and back.

use std::path::Path;

use tokenizers::Tokenizer;

use super::example::Example;
use super::frame::Frame;
use super::span_corruption::span_corruption;
use crate::error::LmError;
use crate::files::json_bytes;

/// How a prompt and an answer become the tokens of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One text, the answer after the prompt: decoder-only models.
    Continuation,
    /// Two texts, each framed as a whole: encoder-decoders.
    TextToText,
}

/// A `tokenizer.json` together with the model's special tokens.
///
/// `tokenizer.json` alone decides what stands around a text, as in transformers 5: where its
/// post-processor adds no begin-of-text token, there is none, whatever `add_bos_token` of
/// `tokenizer_config.json` says.
///
/// Any number of threads may use one tokenizer at a time.
#[derive(Clone)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    /// Never empty: the first one ends an answer.
    stop_tokens: Vec<u32>,
    framing: Framing,
    frame: Frame,
    /// The frame of prompts and of answers; a continuation has nothing behind them.
    frame_of_parts: Frame,
    warnings: Vec<String>,
}

impl TextTokenizer {
    /// Reads a tokenizer; `stop_tokens` end what is generated, the first of them is appended to answers.
    ///
    /// # Errors
    ///
    /// [`LmError::Io`], [`LmError::GitLfsPointer`], [`LmError::Json`] or [`LmError::Tokenizer`] if the file
    /// is missing or not a tokenizer, and [`LmError::Tokenizer`] if `stop_tokens` is empty, or its first
    /// token not one of the tokenizer's.
    pub fn open(path: &Path, stop_tokens: Vec<u32>, framing: Framing) -> Result<Self, LmError> {
        Self::assemble(read(path)?, stop_tokens, framing)
    }

    /// As [`open`](Self::open), of a tokenizer that was read before.
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
            tokenizer,
            stop_tokens,
            framing,
            frame,
            frame_of_parts,
            warnings: Vec::new(),
        })
    }

    /// Adds warnings about the tokenizer's folder.
    pub(crate) fn warned(mut self, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// What may be unexpected about the folder of this tokenizer, in sentences; empty for most.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Number of tokens, special ones included.
    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The token that ends an answer: what is appended to it, and learned.
    pub fn end_token(&self) -> u32 {
        self.stop_tokens[0]
    }

    /// All tokens that end what is generated, the [`end_token`](Self::end_token) first.
    pub fn stop_tokens(&self) -> &[u32] {
        &self.stop_tokens
    }

    /// How a prompt and an answer become the tokens of an example.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// What stands around a whole text.
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// What stands around a prompt, and around an answer that is a text of its own.
    pub(crate) fn frame_of_parts(&self) -> &Frame {
        &self.frame_of_parts
    }

    /// Token ids of a text; with `special`, framed as the tokenizer frames a whole text (for LLaMA
    /// a begin-of-text token in front, for SmolLM2 nothing).
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, LmError> {
        match self.tokenizer.encode_fast(text, special) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => Err(LmError::Tokenizer {
                reason: error.to_string(),
            }),
        }
    }

    /// The text of some tokens, special ones left out if `skip_special`.
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

    /// An example in which the first `max_length` tokens of a text are to be predicted: one after the
    /// other, or, as text to text, those of corrupted spans, which `seed` chooses.
    ///
    /// Where a tokenizer has no sentinels (`<extra_id_0>`, …), the second half of the text answers the
    /// first.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded.
    pub fn text(&self, text: &str, max_length: usize, seed: u64) -> Result<Example, LmError> {
        if self.framing == Framing::Continuation {
            let mut answer = self.encode(text, true)?;
            answer.truncate(max_length);
            let prompt = Vec::new();
            return Ok(Example { prompt, answer });
        }
        let mut ids = self.encode(text, false)?;
        ids.truncate(max_length.saturating_sub(self.frame.len()).max(1));
        let sentinels = self.sentinels();
        let Example { prompt, answer } = match sentinels.is_empty() {
            false => span_corruption(&ids, &sentinels, seed),
            true => {
                let answer = ids.split_off(ids.len() / 2);
                Example {
                    prompt: ids,
                    answer,
                }
            }
        };
        Ok(Example {
            prompt: self.frame.around(&prompt),
            answer: self.frame.around(&answer),
        })
    }

    /// The tokens that stand for spans, in their order.
    fn sentinels(&self) -> Vec<u32> {
        (0..)
            .map_while(|n| self.tokenizer.token_to_id(&format!("<extra_id_{n}>")))
            .collect()
    }
}

/// Reads a `tokenizer.json`, without its padding and truncation: lengths are decided here, row by row, and
/// what the file says about them is for other tools.
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
