//! Examples as the rows of both stacks.

use burn::tensor::{Device, Tensor};

use super::position::padding_mask;
use crate::text::Example;
use crate::training::Targets;

/// Rows of the encoder and of the decoder.
pub(super) struct Rows {
    pub prompts: Vec<Vec<u32>>,
    /// Answers, each beginning with the start token.
    pub answers: Vec<Vec<u32>>,
}

/// All answer tokens that count in the loss, as targets.
pub(super) fn targets(examples: &[Example]) -> Targets {
    let mut chosen = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        let answer = example.counted();
        chosen.extend(answer.map(|(position, token)| (row, position, token)));
    }
    assert!(!chosen.is_empty(), "no example has a token to predict");
    Targets(chosen)
}

/// The mask of right-padded rows.
pub(super) fn padding_of(rows: &[Vec<u32>], device: &Device) -> Option<Tensor<4>> {
    let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    padding_mask(&lengths, longest, device)
}
