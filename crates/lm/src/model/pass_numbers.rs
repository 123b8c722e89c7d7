//! How many numbers a pass over a model stores beside its weights, counted from the model's shape.

/// How many numbers a forward and a backward pass store beside the weights.
///
/// An encoder-decoder model reads prompts and answers with different networks. A decoder-only model reads
/// both with one: its two counts are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassNumbers {
    /// For every token of a prompt.
    pub prompt: TokenNumbers,
    /// For every token of an answer.
    pub answer: TokenNumbers,
    /// Number of attention heads: a score exists for each and every pair of tokens that see each other, in one
    /// block at a time.
    pub heads: usize,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
}

/// What is stored for one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenNumbers {
    /// What the blocks save for the backward pass.
    pub saved: usize,
    /// What they save with activation checkpointing: their inputs.
    pub block_inputs: usize,
    /// What exists at a time inside the largest block, in a pass that saves nothing.
    pub inside_block: usize,
}

impl PassNumbers {
    /// Numbers that the backward pass over a micro-batch stores at its peak, without scores and logits.
    pub fn training(&self, prompt_tokens: usize, answer_tokens: usize, recomputed: bool) -> usize {
        let of = |token: TokenNumbers| match recomputed {
            true => token.block_inputs,
            false => token.saved,
        };
        let inside = self.inside(prompt_tokens, answer_tokens);
        prompt_tokens * of(self.prompt) + answer_tokens * of(self.answer) + 2 * inside
    }

    /// Numbers that a forward pass stores, without scores and logits.
    pub fn inside(&self, prompt_tokens: usize, answer_tokens: usize) -> usize {
        let (prompt, answer) = (self.prompt.inside_block, self.answer.inside_block);
        // One network at a time, or one network for both.
        match self.prompt == self.answer {
            true => (prompt_tokens + answer_tokens) * prompt,
            false => (prompt_tokens * prompt).max(answer_tokens * answer),
        }
    }
}
