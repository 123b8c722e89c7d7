//! A tokenized training row.

/// One tokenized training row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Token ids that the model reads; they do not count in the loss.
    pub prompt: Vec<u32>,
    /// Token ids that the model must predict, including the end token if it fits.
    pub answer: Vec<u32>,
}

impl Example {
    /// Number of tokens in prompt and answer.
    pub fn len(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }

    /// Whether prompt and answer are both empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
