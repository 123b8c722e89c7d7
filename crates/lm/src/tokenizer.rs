//! Text to tokens and back, and how a row is cut to a length.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::{Example, LmError};

/// A `tokenizer.json` together with the model's special tokens.
#[derive(Clone)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    stop_tokens: Vec<u32>,
}

impl TextTokenizer {
    /// Reads a tokenizer; `stop_tokens` end a text, the first of them is appended to answers.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the file is missing or not a tokenizer.
    pub fn open(path: &Path, stop_tokens: Vec<u32>) -> Result<Self, LmError> {
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

    /// A training row of at most `max_length` tokens.
    ///
    /// Prompt and answer are tokenized apart, so that training sees the tokens that generation
    /// will. A row over the limit loses the beginning of its prompt (the begin-of-text token
    /// stays) and its end-of-text token, as in TRACE; an answer that does not fit even alone
    /// loses its end.
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

    /// The last tokens of a prompt that leave room for `max_new_tokens` within `max_length`.
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
        let room = max_length.saturating_sub(max_new_tokens).max(1);
        Ok(self.cut_left(self.encode(text, true)?, room))
    }

    /// Keeps the last `room` tokens, and what the tokenizer puts in front of every text.
    fn cut_left(&self, ids: Vec<u32>, room: usize) -> Vec<u32> {
        if ids.len() <= room {
            return ids;
        }
        let frame = self.encode("", true).unwrap_or_default();
        let kept = frame
            .iter()
            .zip(&ids)
            .take_while(|(a, b)| a == b)
            .count()
            .min(room);
        let mut cut = ids[..kept].to_vec();
        cut.extend_from_slice(&ids[ids.len() - (room - kept)..]);
        cut
    }
}
