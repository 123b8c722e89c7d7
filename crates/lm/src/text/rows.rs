//! Tokenized rows. They are tokenized whole and then cut to a length, so that the lost tokens can be counted.

use super::example::Example;
use super::tokenizer::{Framing, TextTokenizer};
use crate::error::LmError;

/// A prompt and its answer as tokens, not cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Token ids of the prompt with the tokenizer's frame: with the prefix alone if
    /// [`Framing::Continuation`], with prefix and suffix if [`Framing::TextToText`].
    pub prompt: Vec<u32>,
    /// Token ids of the answer: without a frame if [`Framing::Continuation`] ([`TextTokenizer::fit`] appends
    /// the end token), with prefix and suffix if [`Framing::TextToText`].
    pub answer: Vec<u32>,
    /// Number of the prompt's own tokens; 0 if the tokenizer has no token for the prompt.
    pub prompt_tokens: usize,
    /// Number of the answer's own tokens.
    pub answer_tokens: usize,
}

/// What was cut from a row to fit it into a length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Number of the prompt's own tokens that were cut.
    pub prompt: usize,
    /// Number of the answer's own tokens that were cut.
    pub answer: usize,
    /// Whether the end token of the answer was left out, so that it is not learned.
    pub end: bool,
}

impl Lost {
    /// Whether anything was cut.
    pub fn any(self) -> bool {
        self.prompt > 0 || self.answer > 0 || self.end
    }
}

impl TextTokenizer {
    /// Tokenizes a prompt and its answer, whatever their length. They are tokenized separately, so that
    /// training sees the same tokens as generation.
    ///
    /// With [`Framing::Continuation`], the tokenizer's suffix (some add an end token to every text) is left
    /// out, both between prompt and answer and after the answer, which ends with the
    /// [`end_token`](Self::end_token).
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if a text cannot be encoded.
    pub fn row(&self, prompt: &str, answer: &str) -> Result<TokenRow, LmError> {
        let prompt = self.encode(prompt, false)?;
        let answer = self.encode(answer, false)?;
        let frame = self.frame_of_parts();
        Ok(TokenRow {
            prompt: frame.around(&prompt),
            prompt_tokens: prompt.len(),
            answer_tokens: answer.len(),
            answer: match self.framing() {
                Framing::Continuation => answer,
                Framing::TextToText => frame.around(&answer),
            },
        })
    }

    /// Cuts a row to at most `max_length` tokens (with [`Framing::TextToText`], prompt and answer to
    /// `max_length` tokens each), and reports what was cut.
    ///
    /// With [`Framing::Continuation`], the end token is appended if the whole row fits with it. A row over
    /// the limit loses the beginning of its prompt (but not the tokenizer's prefix) and its end token, as in
    /// TRACE. An answer that does not fit even alone is cut at its end, but keeps at least one token. With
    /// [`Framing::TextToText`], prompt and answer are cut at their ends and keep the tokenizer's suffix, as
    /// in the O-LoRA benchmark.
    pub fn fit(&self, row: &TokenRow, max_length: usize) -> (Example, Lost) {
        let frame = self.frame_of_parts();
        if self.framing() == Framing::TextToText {
            let prompt = frame.cut_right(&row.prompt, max_length);
            let answer = frame.cut_right(&row.answer, max_length);
            let lost = Lost {
                prompt: row.prompt_tokens - prompt.len().saturating_sub(frame.len()),
                answer: row.answer_tokens - answer.len().saturating_sub(frame.len()),
                // A text that is cut to any length above 0 keeps the last token of its suffix.
                end: max_length == 0 && !frame.suffix.is_empty(),
            };
            return (Example::new(prompt, answer), lost);
        }
        let mut answer = row.answer.clone();
        answer.truncate(max_length.max(1));
        let kept = answer.len();
        let ends = row.prompt.len() + row.answer.len() < max_length;
        if ends {
            answer.push(self.end_token());
        }
        let room = max_length.saturating_sub(answer.len());
        let prompt = frame.cut_left(&row.prompt, room);
        let lost = Lost {
            prompt: row.prompt_tokens - prompt.len().saturating_sub(frame.len()),
            answer: row.answer_tokens - kept,
            end: !ends,
        };
        (Example::new(prompt, answer), lost)
    }

    /// A training row of at most `max_length` tokens: [`row`](Self::row) and [`fit`](Self::fit) in one,
    /// without the report of what was cut.
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
        Ok(self.fit(&self.row(prompt, answer)?, max_length).0)
    }

    /// Tokenizes a prompt that is to be answered, whatever its length, with the frame that [`row`](Self::row)
    /// gives it.
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded.
    pub fn question(&self, prompt: &str) -> Result<Vec<u32>, LmError> {
        Ok(self.frame_of_parts().around(&self.encode(prompt, false)?))
    }

    /// Cuts the tokens of a [`question`](Self::question) to at most `max_length`, and counts the prompt's own
    /// tokens that were cut. With [`Framing::Continuation`], the last tokens stay (and the tokenizer's
    /// prefix), with room for `max_new_tokens` more; at least one token stays. With [`Framing::TextToText`],
    /// the first tokens stay (and the tokenizer's suffix).
    pub fn fit_question(
        &self,
        tokens: &[u32],
        max_length: usize,
        max_new_tokens: usize,
    ) -> (Vec<u32>, usize) {
        let frame = self.frame_of_parts();
        let cut = match self.framing() {
            Framing::TextToText => frame.cut_right(tokens, max_length),
            Framing::Continuation => {
                let room = max_length.saturating_sub(max_new_tokens).max(1);
                frame.cut_left(tokens, room)
            }
        };
        let text_tokens = |tokens: &[u32]| tokens.len().saturating_sub(frame.len());
        let lost = text_tokens(tokens) - text_tokens(&cut);
        (cut, lost)
    }

    /// A prompt that is to be answered, with at most `max_length` tokens: [`question`](Self::question) and
    /// [`fit_question`](Self::fit_question) in one, without the count of what was cut.
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
        let tokens = self.question(text)?;
        Ok(self.fit_question(&tokens, max_length, max_new_tokens).0)
    }
}
