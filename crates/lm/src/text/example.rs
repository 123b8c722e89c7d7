//! A training row as tokens.

/// One tokenized training row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Tokens the model is given; no loss is counted on them.
    pub prompt: Vec<u32>,
    /// Tokens the model must produce, end of text included where it fits.
    pub answer: Vec<u32>,
}

impl Example {
    /// Number of tokens, prompt and answer.
    pub fn len(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
