//! Text to tokens and back, and how a row is cut to a length.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::span_corruption::span_corruption;
use crate::{Example, LmError};

/// How a prompt and an answer become the tokens of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One text, the answer after the prompt: decoder-only models.
    Continuation,
    /// Two texts, each framed as a whole: encoder-decoders.
    TextToText,
}

/// A `tokenizer.json` together with the model's special tokens.
#[derive(Clone)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    stop_tokens: Vec<u32>,
    framing: Framing,
}

impl TextTokenizer {
    /// Reads a tokenizer; `stop_tokens` end a text, the first of them is appended to answers.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the file is missing or not a tokenizer.
    pub fn open(path: &Path, stop_tokens: Vec<u32>, framing: Framing) -> Result<Self, LmError> {
        let mut tokenizer = Tokenizer::from_file(path).map_err(|error| LmError::Tokenizer {
            reason: format!("cannot read {}: {error}", path.display()),
        })?;
        // Lengths are decided here, row by row; what the file says about them is for other tools.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| LmError::Tokenizer {
                reason: error.to_string(),
            })?;
        Ok(Self {
            tokenizer,
            stop_tokens,
            framing,
        })
    }

    /// Number of tokens, special ones included.
    pub fn vocabulary_size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Tokens that end a text.
    pub fn stop_tokens(&self) -> &[u32] {
        &self.stop_tokens
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

    /// A training row of at most `max_length` tokens; of an encoder-decoder, of a prompt and an answer
    /// of at most so many each.
    ///
    /// Prompt and answer are tokenized apart, so that training sees the tokens that generation
    /// will. As a continuation, a row over the limit loses the beginning of its prompt (the
    /// begin-of-text token stays) and its end-of-text token, as in TRACE; an answer that does not fit
    /// even alone loses its end. As text to text, each loses its end and keeps its end-of-text token,
    /// as in the O-LoRA benchmark.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if a text cannot be encoded.
    pub fn example(
        &self,
        prompt: &str,
        answer: &str,
        max_length: usize,
    ) -> Result<Example, LmError> {
        let prompt = self.encode(prompt, true)?;
        if self.framing == Framing::TextToText {
            return Ok(Example {
                prompt: self.cut_right(prompt, max_length),
                answer: self.cut_right(self.encode(answer, true)?, max_length),
            });
        }
        let mut answer = self.encode(answer, false)?;
        if prompt.len() + answer.len() < max_length
            && let Some(&stop) = self.stop_tokens.first()
        {
            answer.push(stop);
        }
        answer.truncate(max_length.max(1));
        let room = max_length.saturating_sub(answer.len());
        let prompt = self.cut_left(prompt, room);
        Ok(Example { prompt, answer })
    }

    /// A prompt within `max_length` tokens: of a continuation its last ones, which leave room for
    /// `max_new_tokens`, of text to text its first ones.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded.
    pub fn prompt(
        &self,
        text: &str,
        max_length: usize,
        max_new_tokens: usize,
    ) -> Result<Vec<u32>, LmError> {
        let ids = self.encode(text, true)?;
        Ok(match self.framing {
            Framing::TextToText => self.cut_right(ids, max_length),
            Framing::Continuation => {
                let room = max_length.saturating_sub(max_new_tokens).max(1);
                self.cut_left(ids, room)
            }
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
        let frame = self.encode("", true)?;
        ids.truncate(max_length.saturating_sub(frame.len()).max(1));
        let sentinels = self.sentinels();
        let mut example = match sentinels.is_empty() {
            false => span_corruption(&ids, &sentinels, seed),
            true => {
                let answer = ids.split_off(ids.len() / 2);
                Example {
                    prompt: ids,
                    answer,
                }
            }
        };
        example.prompt.extend(&frame);
        example.answer.extend(&frame);
        Ok(example)
    }

    /// The tokens that stand for spans, in their order.
    fn sentinels(&self) -> Vec<u32> {
        (0..)
            .map_while(|n| self.tokenizer.token_to_id(&format!("<extra_id_{n}>")))
            .collect()
    }

    /// Keeps the last `room` tokens, and what the tokenizer puts in front of every text.
    fn cut_left(&self, ids: Vec<u32>, room: usize) -> Vec<u32> {
        if ids.len() <= room {
            return ids;
        }
        let frame = self.encode("", true).unwrap_or_default();
        let kept = common(frame.iter(), ids.iter()).min(room);
        let mut cut = ids[..kept].to_vec();
        cut.extend_from_slice(&ids[ids.len() - (room - kept)..]);
        cut
    }

    /// Keeps the first `room` tokens, and what the tokenizer puts behind every text.
    fn cut_right(&self, ids: Vec<u32>, room: usize) -> Vec<u32> {
        if ids.len() <= room {
            return ids;
        }
        let frame = self.encode("", true).unwrap_or_default();
        let kept = common(frame.iter().rev(), ids.iter().rev()).min(room);
        let mut cut = ids[..room - kept].to_vec();
        cut.extend_from_slice(&ids[ids.len() - kept..]);
        cut
    }
}

/// Number of tokens that two sequences have in common before they part.
fn common<'a>(a: impl Iterator<Item = &'a u32>, b: impl Iterator<Item = &'a u32>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}
