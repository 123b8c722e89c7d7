//! Rows as tokens: whole first, then cut to a length, so that what a length costs can be counted.

use super::example::Example;
use super::tokenizer::{Framing, TextTokenizer};
use crate::error::LmError;

/// A prompt and its answer as tokens, nothing cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The prompt with what the tokenizer puts around it: of a continuation only what stands in front,
    /// of text to text what stands behind too.
    pub prompt: Vec<u32>,
    /// The answer: of a continuation its own tokens alone, of text to text with what the tokenizer puts
    /// around it. [`TextTokenizer::fit`] appends a continuation's end token.
    pub answer: Vec<u32>,
    /// Number of the prompt's own tokens; 0 is a prompt that the tokenizer has no token for.
    pub prompt_tokens: usize,
    /// Number of the answer's own tokens.
    pub answer_tokens: usize,
}

/// What of a row did not fit into a length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Number of the prompt's own tokens that were cut.
    pub prompt: usize,
    /// Number of the answer's own tokens that were cut.
    pub answer: usize,
    /// Whether the token that ends the answer was left out, which is then not learned.
    pub end: bool,
}

impl Lost {
    /// Whether anything was cut.
    pub fn any(self) -> bool {
        self.prompt > 0 || self.answer > 0 || self.end
    }
}

impl TextTokenizer {
    /// A prompt and its answer as tokens, whatever their length. They are tokenized apart, so that
    /// training sees the tokens that generation will.
    ///
    /// As a continuation, what the tokenizer puts behind a text (some add an end token to every one)
    /// stands nowhere: not between prompt and answer, and the answer is ended by the
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

    /// A row cut to at most `max_length` tokens (of text to text, prompt and answer to at most so many
    /// each), and what that costs.
    ///
    /// As a continuation, the end token is appended if the whole row fits with it. A row over the limit
    /// loses the beginning of its prompt (what the tokenizer puts in front stays) and its end token, as
    /// in TRACE; an answer that does not fit even alone loses its end, and of it at least one token
    /// stays. As text to text, each loses its end and keeps what the tokenizer puts behind it, as in the
    /// O-LoRA benchmark.
    pub fn fit(&self, row: &TokenRow, max_length: usize) -> (Example, Lost) {
        let frame = self.frame_of_parts();
        if self.framing() == Framing::TextToText {
            let prompt = frame.cut_right(&row.prompt, max_length);
            let answer = frame.cut_right(&row.answer, max_length);
            let lost = Lost {
                prompt: row.prompt_tokens - prompt.len().saturating_sub(frame.len()),
                answer: row.answer_tokens - answer.len().saturating_sub(frame.len()),
                // Cut to any length, a text keeps the last token that stands behind it.
                end: max_length == 0 && !frame.suffix.is_empty(),
            };
            return (Example { prompt, answer }, lost);
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
        (Example { prompt, answer }, lost)
    }

    /// A training row of at most `max_length` tokens: [`row`](Self::row) and [`fit`](Self::fit) in one,
    /// where nobody asks what was cut.
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

    /// A prompt to be answered as tokens, whatever its length, framed as in [`row`](Self::row).
    ///
    /// # Errors
    ///
    /// [`LmError::Tokenizer`] if the text cannot be encoded.
    pub fn question(&self, prompt: &str) -> Result<Vec<u32>, LmError> {
        Ok(self.frame_of_parts().around(&self.encode(prompt, false)?))
    }

    /// The tokens of a [`question`](Self::question) within `max_length`, and how many of the prompt's own
    /// were cut: of a continuation its last ones stay (and what the tokenizer puts in front), which leave
    /// room for `max_new_tokens`, but at least one; of text to text its first ones (and what the
    /// tokenizer puts behind).
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
        let own = |tokens: &[u32]| tokens.len().saturating_sub(frame.len());
        let lost = own(tokens) - own(&cut);
        (cut, lost)
    }

    /// A prompt to be answered within `max_length` tokens: [`question`](Self::question) and
    /// [`fit_question`](Self::fit_question) in one, where nobody asks what was cut.
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
