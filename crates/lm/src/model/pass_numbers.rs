//! How many numbers a pass over a model stores beside its weights, counted from the model's shape.

/// How many numbers a forward and a backward pass store beside the weights.
///
/// An encoder-decoder model reads prompts and answers with different networks. A decoder-only model reads
/// both with one: its two counts are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassNumbers {
    /// For every token of a prompt.
    pub prompt: TokenNumbers,
    /// For every token of an answer.
    pub answer: TokenNumbers,
    /// Number of blocks in a network.
    pub blocks: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of attention heads. Each has a score for every pair of tokens that see each other; the scores exist
    /// in one block at a time.
    pub heads: usize,
    /// Numbers saved for every pair of tokens where the bias of the positions trains: attention's probabilities
    /// are not computed again then.
    pub saved_pair: usize,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Keys and values that generation keeps, for every token.
    pub cached: usize,
    /// Widths of the inputs of the blocks' linear layers; layers that share an input count once.
    pub inputs: Vec<usize>,
}

/// What is stored for one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenNumbers {
    /// What the blocks save for the backward pass where no layer trains.
    pub saved: usize,
    /// Inputs of the layers that they save beside that where all layers train.
    pub layer_inputs: usize,
    /// What they save with activation checkpointing: their inputs.
    pub block_inputs: usize,
    /// What exists at a time inside the largest block, in a pass that saves nothing.
    pub inside_block: usize,
}

impl PassNumbers {
    /// Numbers that the backward pass over a micro-batch stores at its peak, without scores and logits;
    /// `trained` is the share of the layers that train.
    pub fn training(
        &self,
        prompt_tokens: usize,
        answer_tokens: usize,
        trained: f64,
        recomputed: bool,
    ) -> usize {
        let of = |token: TokenNumbers| {
            let whole = token.saved + (token.layer_inputs as f64 * trained) as usize;
            match recomputed {
                // One block at a time has more than its input.
                true => token.block_inputs + whole / self.blocks.max(1),
                false => whole,
            }
        };
        prompt_tokens * of(self.prompt) + answer_tokens * of(self.answer)
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
